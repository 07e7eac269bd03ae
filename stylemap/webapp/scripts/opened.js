/** Browsers load no modules from files: a page that was opened with a double click says what to do. */
if (location.protocol === "file:") {
  addEventListener("DOMContentLoaded", () => {
    document.body.classList.remove("loading");
    document.querySelector("#notice").hidden = false;
    document.querySelector("#notice p").textContent =
      "Browsers do not run this page from a file. Serve its folder, for instance with “python3 -m http.server”, and open the address that it names.";
  });
}
