"""Files of photos: what a mask file selects, the photo that an edit goes back into, and the kinds of files that are written."""
