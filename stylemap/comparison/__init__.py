"""Comparisons: ways to find latents (`inversion`) and to edit (`editing`), and stylemaps of several sides (`ablation`).

Everything that is compared runs on the same images and the same machine. Finished parts are kept, so a comparison that was
stopped goes on where it was. `results` writes tables and files, `page` puts them into a document.
"""
