"""The editor as a web app of plain files, which runs in the browser alone."""

from stylemap.webapp.folder import export

__all__ = ["export"]
