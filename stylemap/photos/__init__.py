"""The photos that a person edits: what a mask file selects (`masks`), and the photo that an edit goes back into (`originals`)."""
