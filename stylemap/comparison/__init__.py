"""Comparisons: ways to find latents side by side (`inversion`), and stylemaps of several sides (`ablation`).

What is compared runs on the same pictures and the same machine; every finished part is kept, so that a comparison that was
stopped goes on where it was. `table` shows results, `page` puts them into a document.
"""
