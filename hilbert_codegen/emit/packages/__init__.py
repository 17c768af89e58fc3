"""Package formats: a few files beside the decoder's two, so that a build system of the embedded world takes the folder.

A format is one file here that registers itself, and a folder of templates of the same name in templates/packages; the
path of a template in there, without .j2, is the path of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from hilbert_codegen.registry import Registry
from hilbert_codegen.resources import resource


@dataclass(frozen=True)
class Package:
    """One format.

    Attributes:
        name: as given to --package; also the folder of its templates.
        title: what it is, for help and comments.
        rename: file name in the template folder -> name with {prefix} in it, where the name varies.
    """

    name: str
    title: str
    rename: tuple[tuple[str, str], ...] = ()

    def templates(self, prefix: str) -> dict[str, str]:
        """Path of the generated file -> name of its template, sorted."""
        names = dict(self.rename)
        root = resource("templates") / "packages" / self.name
        found = {}
        for path in sorted(root.rglob("*.j2")):
            target = PurePosixPath(path.relative_to(root).as_posix().removesuffix(".j2"))
            target = target.with_name(names.get(target.name, target.name).format(prefix=prefix))
            found[target.as_posix()] = f"packages/{self.name}/{path.relative_to(root).as_posix()}"
        return found


PACKAGES: Registry[Package] = Registry("package", __name__)
