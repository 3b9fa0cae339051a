"""Every error is a built-in one too, says what was found, and survives pickling."""

from __future__ import annotations

import pickle

import pytest

from lamella import errors

EXAMPLES = [
    errors.LamellaError("Something failed.", value=3),
    errors.ConfigError("Too small.", option="a.b", found=-1),
    errors.ShapeError("mask", found=(2, 3), expected=(3, 2)),
    errors.CalibrationError("The scale is -1."),
    errors.PixelTypeError("mask", found="float32", expected="int32"),
    errors.PixelTypeError("mask", found="int64", expected="int32"),
    errors.CalibrationError("The scale is -1; expected a positive number.", found=-1.0),
    errors.NoiseError("The scatter is 99 times the variance.", limit=10.0),
    errors.MaskPlaneError("There is no plane X.", plane="X"),
    errors.GeometryError("A polygon needs three directions."),
    errors.SkyMapError("There is no tract 7."),
    errors.NoOverlapError("They do not overlap."),
    errors.NoInputsError("Nothing to coadd."),
    errors.NoCoverageError("No exposure is left."),
    errors.NoMatchedWarpsError("Nothing to compare with."),
    errors.InvalidPsfError("Outside of all inputs.", x=1.0, y=2.0),
    errors.PsfMatchError("The target is narrower.", residual=0.1, noise_gain=2.0),
    errors.IncompleteIdError("--id must include tract", key="tract"),
    errors.InputError("a.fits", where="HDU 1", found="7", expected="8"),
    errors.FaultsError("t.csv", faults=[errors.InputError("t.csv", where="row 1", found="7", expected="8")]),
    errors.UnreadableFileError("a.fits", found="17 bytes", expected="a FITS file"),
    errors.UnknownFormatError("a.txt", found="text", expected="an exposure"),
    errors.MissingPartError("a.fits", where="BUNIT", found="nothing", expected="a unit"),
    errors.ProjectionError("a.fits", where="CRVAL1", found="nan", expected="a number"),
    errors.ForeignTypesError("REPO", found="calexp of storage class ExposureF", expected="no other types"),
    errors.UnitError("a.fits", where="BUNIT", found="'s'", expected="a unit of flux"),
    errors.DuplicateInputError("a.fits", found="visit 1", expected="another visit"),
    errors.MixedBandsError("Cam visit 2", where="band", found="'g'", expected="'r'"),
    errors.MixedUnitsError("Cam visit 2", where="flux unit", found="adu", expected="nJy"),
    errors.OutputError("out.fits", reason="No space left on device"),
    errors.WorkerError("The process died."),
    errors.CombineError("mine.median", reason="ValueError: no"),
    errors.WrongTypeError("inputs[2]", found="a value of type dict", expected="an exposure"),
    errors.MissingPackageError("matplotlib", extra="plot", purpose="plot()"),
    errors.ClusterError("No scheduler answers."),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda e: type(e).__name__)
def test_pickling_keeps_type_message_and_values(error: errors.LamellaError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error) != ""
    assert values_of(copy) == values_of(error)


def values_of(error: errors.LamellaError) -> dict[str, object]:
    """Return the values of an error: errors among them do not equal their copies, but their values do."""
    inner = {key: value for key, value in error.__dict__.items() if key != "faults"}
    return inner | {"faults": [(type(fault), values_of(fault)) for fault in getattr(error, "faults", ())]}


def test_all_errors_have_an_example() -> None:
    assert {type(e).__name__ for e in EXAMPLES} == set(errors.__all__)


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.ConfigError, ValueError),
        (errors.ShapeError, ValueError),
        (errors.SkyMapError, LookupError),
        (errors.UnreadableFileError, OSError),
        (errors.MissingPartError, LookupError),
        (errors.OutputError, OSError),
        (errors.WrongTypeError, TypeError),
        (errors.MissingPackageError, ImportError),
    ],
)
def test_errors_are_built_in_errors_too(kind: type, builtin: type) -> None:
    assert issubclass(kind, errors.LamellaError)
    assert issubclass(kind, builtin)


def test_an_input_error_names_file_place_found_and_expected() -> None:
    error = errors.UnitError("a.fits", where="BUNIT", found="'s'", expected="a unit of flux")
    assert str(error) == "a.fits, BUNIT: found 's'; expected a unit of flux."
    assert (error.path, error.where) == ("a.fits", "BUNIT")


def test_a_sentence_that_ends_in_a_question_has_no_full_stop_behind_it() -> None:
    error = errors.InputError("a.csv", where="columns", found="'bnad'; did you mean band?", expected="r?")
    assert str(error) == "a.csv, columns: found 'bnad'; did you mean band?; expected r?"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(errors.ConfigError("kernl: no such option; did you mean kernel?.")).endswith("kernel?")


def test_an_error_can_be_told_with_another_name() -> None:
    inner = errors.InputError("/tmp/x/a.fits", where="HDU 1", found="7", expected="8")
    several = errors.FaultsError("/tmp/x/a.fits", faults=[inner, inner])
    for error in (inner, several, errors.ShapeError("/tmp/x/a.fits: mask", found=(1,), expected=(2,))):
        renamed = error.renamed("/tmp/x/a.fits", "inputs[3]")
        assert type(renamed) is type(error)
        assert str(renamed) == str(error).replace("/tmp/x/a.fits", "inputs[3]")
