"""The results of `imtrans bench train` as lines of text."""

from collections.abc import Iterator

from imtrans.benchmark.data_sets import SetCost
from imtrans.benchmark.profiling import Profile
from imtrans.benchmark.results import BatchResult, Result, Setting, SizeResult, Skipped, Variant
from imtrans.benchmark.rounds import Spread
from imtrans.host.words import size
from imtrans.recipe.sizes import px

LONGEST = 60  # characters of an operation's name

# One format for the heading and for the rows of each table.
STEPS = "{:>5}  {:<24} {:>8}  {:<18} {:>9}  {:>11}  {:>13}  {:>14}"
SIZES = "{:>5}  {:<24} {:>8}  {:<18} {:>9}  {:>11}"
SETS = "{:>9}  {:>9}  {:>13}  {:>8}  {:>8}  {:>11}  {:>9}  {}"


def opening(setting: Setting) -> list[str]:
    """What was measured, and on what."""
    rates = ", ".join(f"{flops(rate)} in {name}" for name, rate in setting.matrix_rates.items())
    return [
        f"{setting.hardware}; {setting.cores} cores, {setting.threads} threads; "
        f"torch {setting.torch}, imtrans {setting.imtrans}",
        f"{setting.recipe}: {setting.networks}, {px(setting.image_size)}; engines "
        + " | ".join(setting.engines.values()),
        f"large matrix products reach {rates}",
    ]


def heading(result: Result) -> str | None:
    """The heading of the table that has this result as a row."""
    common = ("engine", "ms/step", "(from - to)", "images/s", "peak memory")
    match result:
        case BatchResult():
            return STEPS.format("batch", *common, "FLOP/s", "of matrix rate")
        case SizeResult():
            return SIZES.format("px", *common)
        case SetCost():
            costs = ("cache check", "memory", "peak", "first batch", "a batch", "from files")
            return SETS.format("pairs", "listing", *costs)
    return None


def lines(result: Result) -> Iterator[str]:
    """The lines of one result."""
    match result:
        case BatchResult():
            yield from _batch(result)
        case SizeResult():
            ms, images = result.ms, f"{result.images_per_second:.4g}"
            memory = _memory(result.peak_memory)
            yield SIZES.format(result.size, result.engine, *_spread(ms), images, memory)
        case SetCost():
            yield _set(result)
        case Profile():
            yield from _profile(result)
        case Skipped():
            yield f"not measured: {result.what}: {result.why}"


def _batch(result: BatchResult) -> Iterator[str]:
    for variant in (result.plain, result.fast):
        yield STEPS.format(result.batch, *_variant(variant))
    yield f"       fast is {speedup(result.ratio)} than plain, {result.rounds} rounds in turns"
    if loader := result.loader:
        speed = f"{loader.ms:.4g} ms/step, {loader.images_per_second:.4g} images/s"
        waiting = f"waiting {loader.waiting:.1%} of the time"
        yield f"       fast with batches from the loader: {speed}, {waiting} ({loader.how})"


def speedup(ratio: Spread) -> str:
    """`1.51x faster (1.45 - 1.54)`: the median, the smallest and the largest of all rounds.

    `ratio` is the time of the other / the time of this one; below 1 the sentence says slower.
    """
    if ratio.median < 1:
        ratio, word = Spread(1 / ratio.median, 1 / ratio.high, 1 / ratio.low), "slower"
    else:
        word = "faster"
    return f"{ratio.median:.2f}x {word} ({ratio.low:.2f} - {ratio.high:.2f})"


def _variant(variant: Variant) -> tuple[str, ...]:
    return (
        variant.engine,
        *_spread(variant.ms),
        f"{variant.images_per_second:.4g}",
        _memory(variant.peak_memory),
        flops(variant.flops_per_second),
        f"{variant.of_matrix_rate:.1%}",
    )


def _set(cost: SetCost) -> str:
    return SETS.format(
        f"{cost.pairs:,}",
        f"{cost.listing:.3f} s",
        f"{cost.looking_up:.3f} s",
        size(cost.kept),
        size(cost.peak),
        f"{cost.first_batch:.0f} ms",
        f"{cost.batch:.1f} ms",
        f"(batch {cost.batch_size}, workers {cost.workers})",
    )


def _profile(profile: Profile) -> Iterator[str]:
    yield f"\nprofile of a step: {profile.engine}, batch {profile.batch}, {profile.ms:.4g} ms"
    for group, share in profile.groups.items():
        if share >= 0.005:
            yield f"  {share:>6.1%}  {group}"
    yield "the operations that take most time, each without those it calls"
    for operation in profile.operations:
        name = operation.name
        shown = name if len(name) <= LONGEST else name[: LONGEST - 3] + "..."
        yield f"  {operation.share:>6.1%}  {operation.calls:>5g} calls  {shown}"
    yield f"bound by {profile.bound}"


def _spread(ms: Spread) -> tuple[str, str]:
    return f"{ms.median:.4g}", f"({ms.low:.4g} - {ms.high:.4g})"


def _memory(peak: int | None) -> str:
    return "unknown" if peak is None else size(peak)


def flops(rate: float) -> str:
    """A rate in a readable unit: `1.5 TFLOP/s`."""
    return f"{rate / 1e12:.3g} TFLOP/s" if rate >= 1e12 else f"{rate / 1e9:.3g} GFLOP/s"
