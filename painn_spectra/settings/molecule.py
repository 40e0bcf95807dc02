"""One entry of the config: structure, level of theory, experiment, and where labels or model come from."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from painn_spectra.settings.base import NAME, SITE, Count, Positive, Settings

Site = Annotated[str, Field(pattern=SITE)]
Isotopes = dict[
    Annotated[Annotated[int, Field(ge=0)] | Site, Field(union_mode="left_to_right")], Positive
]  # mass in amu by atom index, or by site: H-O is every hydrogen on oxygen
ISOTOPE_IN_SMILES = re.compile(r"\[\d+[A-Za-z]")
EntryName = Annotated[str, Field(pattern=NAME)]


class Method(Settings):
    """Level of theory of the labels."""

    program: Literal["pyscf", "gpu4pyscf", "gfn2-xtb", "other"] = "pyscf"
    functional: str | None = "PBE0"
    basis: str | None = "def2-TZVP"
    polarizability_basis: str | None = Field(
        default=None, description="another basis for the polarizability alone, e.g. def2-TZVPD"
    )
    dispersion: Literal["D3(BJ)", "D4"] | None = None
    density_fitting: bool = True
    grid_level: Annotated[int, Field(ge=0, le=9)] = 3
    response_grid_level: Annotated[int, Field(ge=0, le=9)] = 1


class Experiment(Settings):
    """Reference data to draw and compare with; paths are relative to the working directory.

    A measured curve may also be an http(s) address: it is fetched once and kept in results/.experiment.
    """

    bands: str | None = Field(
        default=None, description="CSV of published bands; default: config/molecules/<name>/bands.csv"
    )
    ir: str | None = Field(default=None, description="measured IR, path or address: JCAMP-DX or CSV")
    raman: str | None = Field(default=None, description="measured Raman, path or address: JCAMP-DX or CSV")
    zero_line: Literal["file", "lowest"] = Field(
        default="file", description="of measured IR: as the file has it, or its lowest value taken for zero"
    )
    fit_scale: bool = Field(
        default=False, description="score again with wavenumbers times a factor fitted to the measured curve"
    )

    @property
    def sources(self) -> dict[str, str]:
        """The files and addresses that are given, by setting."""
        given = {"bands": self.bands, "ir": self.ir, "raman": self.raman}
        return {key: source for key, source in given.items() if source}


class Published(Settings):
    """A published data set with its own split instead of labels: files of rMD17, by path or address."""

    system: Annotated[str, Field(min_length=1)] = Field(description="the molecule's name in published tables")
    labels: Literal["md17", "rmd17"] = Field(description="the original labels or the recomputed ones")
    train: str = Field(description=".npz of the split's training frames, or index_train_01.csv with frames")
    test: str = Field(description=".npz of the split's test frames, or index_test_01.csv with frames")
    frames: str | None = Field(default=None, description="the archive's .npz of all frames, for the indices")
    n_train: Count = 950
    n_validation: Count = 50

    @property
    def sources(self) -> dict[str, str]:
        """The files and addresses that are given, by setting."""
        given = {"train": self.train, "test": self.test, "frames": self.frames}
        return {key: source for key, source in given.items() if source}

    @model_validator(mode="after")
    def _two_parts(self) -> Self:
        if self.train == self.test:
            raise ValueError(
                f"published.test = {self.test}: is the training file; give the split's other one"
            )
        for key, source in self.sources.items():
            if source.lower().partition("?")[0].endswith(".csv") and not self.frames:
                raise ValueError(
                    f"published.{key} = {source}: holds indices; name the .npz file they count in with "
                    "published.frames"
                )
        return self


class Molecule(Settings):
    """One entry: a molecule at one level of theory and one temperature."""

    name: EntryName
    structure: str | None = Field(
        default=None, description="SMILES, xyz file or ASE name; not needed with shipped labels"
    )
    charge: int = 0
    multiplicity: Count = 1
    isotopes: Isotopes = Field(
        default_factory=dict,
        description="mass in amu by atom index or site, e.g. {H-O: 2.014102}; or write [2H] in the SMILES",
    )
    temperature_K: Positive = 300.0
    method: Method = Method()
    labels: str | None = Field(
        default=None,
        min_length=1,
        description="extxyz with REF_ keys; default: config/molecules/<name>/labels.extxyz",
    )
    grow: bool = Field(
        default=False, description="label batches from the model's own dynamics on top of the shipped labels"
    )
    labels_from: EntryName | None = Field(default=None, description="take the data set of this entry")
    model_from: EntryName | None = Field(default=None, description="take the trained model of this entry")
    published: Published | None = Field(
        default=None, description="a published set to measure accuracy on; such entries run no dynamics"
    )
    experiment: Experiment = Experiment()

    @property
    def isotopologue(self) -> Isotopes | str:
        """Isotopes by atom or site, or the SMILES that names them."""
        in_smiles = self.structure and ISOTOPE_IN_SMILES.search(self.structure)
        return self.structure if in_smiles and self.structure and not self.isotopes else self.isotopes

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.labels and self.labels_from:
            raise ValueError(
                f"molecules.{self.name}: labels {self.labels} and labels_from {self.labels_from} both name a "
                "data set; keep one"
            )
        for key in ("labels", "labels_from", "model_from", "grow") if self.published else ():
            if value := getattr(self, key):
                raise ValueError(
                    f"molecules.{self.name}.{key} = {value}: published brings the labels of this entry; "
                    f"remove {key}, or make another entry"
                )
        if self.isotopes and self.structure and ISOTOPE_IN_SMILES.search(self.structure):
            raise ValueError(
                f"molecules.{self.name}: isotopes and structure {self.structure} both name isotopes; keep one"
            )
        return self
