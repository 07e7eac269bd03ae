"""The web editor, `stylemap serve`: photos and edits of several people in memory, a page that talks to it over HTTP."""
