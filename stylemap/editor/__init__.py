"""The web editor, `stylemap serve`: pictures and edits of several people in memory, a page that talks to it over HTTP.

`recipe` (what an edit is made of, and its picture) knows neither HTTP nor sessions; project files share it.
"""
