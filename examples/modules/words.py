"""A module beside the workflow file."""


def split(text: str) -> dict[str, list[str]]:
    return {"words": text.split()}
