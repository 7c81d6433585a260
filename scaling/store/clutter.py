"""Files that nobody put there as data: what desktops, notebooks, archives and file servers leave in every directory.

One rule for all readers, of images and of rows, so that such a file is nowhere a sample and blocks nothing.
"""

FOLDERS = {  # that hold copies, thumbnails or deleted files, by their names in small letters
    "__macosx",  # zip on macOS
    "@eadir",  # Synology
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "__pycache__",
}
FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}


def is_clutter(path: str) -> bool:
    """Whether a relative path names a file that is no data, or lies in a folder of such files.

    These are hidden files and folders (`.DS_Store`, `._photo.png`, `.ipynb_checkpoints`, `.Trash-1000`), FOLDERS and
    FILES of operating systems, and backup copies (`photo.png~`).
    """
    *folders, name = path.lower().split("/")
    return _hidden(name) or name in FILES or name in FOLDERS or any(_hidden(f) or f in FOLDERS for f in folders)


def _hidden(name: str) -> bool:
    return (name.startswith(".") and name not in (".", "..")) or name.endswith("~")
