"""The main job before your eyes: the real daemon among invented newsrooms, driven by commands."""
