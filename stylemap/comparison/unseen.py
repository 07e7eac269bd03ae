"""Whether weights have never seen the pictures that they are compared on."""


def doubt(info: dict, data: str, names: str) -> str | None:
    """Why it is not certain, in a few words; None if it is.

    Args:
        info: what is noted in the weights (`checkpoint.read_info`).
        data: where the held-out pictures come from, such as "avatars".
        names: `datasets.fingerprint` of training and held-out pictures.
    """
    if "data" not in info:
        return "what they were trained on is not known"
    # drawn faces are held out from drawn faces by their seed, and are in no folder
    if "avatars" in (data, info["data"]):
        return None
    if "names_sha256" not in info:
        return f"which pictures of {info['data']} they were trained on is not noted"
    if info["names_sha256"] != names:
        return f"they were trained on {info['data']} with other pictures held out; give the same --images and --heldout"
    return None
