"""`gridbench list parameters`: how many parameters each kind of reasoning trains."""

from __future__ import annotations

import click

__all__ = ["parameters"]


@click.command()
@click.option("--backbone", default="densenet121", show_default=True, metavar="NAME", help="Any timm model.")
@click.option("--classes", type=click.IntRange(min=1), default=17, show_default=True, metavar="N")
@click.option("--bands", type=click.IntRange(min=1), default=3, show_default=True, metavar="N")
@click.option(
    "--size",
    type=click.IntRange(min=1),
    default=224,
    show_default=True,
    metavar="PIXELS",
    help="Side of images and label maps as the network sees them.",
)
@click.option(
    "--latent",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    metavar="N",
    help="Latent dimension of the VAE.",
)
@click.option("--output-stride", type=click.IntRange(1, 64), metavar="N", help="Stride of the feature map.")
@click.option("--task", "tasks", multiple=True, metavar="NAME", help="Only this task; again for more.")
def parameters(
    backbone: str,
    classes: int,
    bands: int,
    size: int,
    latent: int,
    output_stride: int | None,
    tasks: tuple[str, ...],
) -> None:
    r"""Count trainable parameters: backbone, discriminative only, generative only, and both (GRID).

    \b
    The defaults are the paper's network on DLRSD; the one on BigEarthNet:
      gridbench list parameters --classes 19 --bands 10 --size 120
    """
    from rich.table import Table

    from gridbench.core.terminal import Console
    from gridbench.training.backbone import BackboneSpec
    from gridbench.training.parameter_counts import count_parameters

    spec = BackboneSpec(backbone, bands, (size, size), output_stride=output_stride)
    rows = count_parameters(spec, classes, latent=latent, tasks=tasks)
    table = Table(
        title=f"{backbone}, {classes} classes, {bands} bands, {size} px", title_justify="left", box=None
    )
    table.add_column("task")
    for column in ("backbone", "discriminative", "generative", "hybrid", "hybrid adds"):
        table.add_column(column, justify="right")
    for row in rows:
        numbers = (row.backbone, row.discriminative, row.generative, row.hybrid)
        more = 100 * (row.hybrid / row.discriminative - 1)
        table.add_row(row.task, *(f"{number:,}" for number in numbers), f"+{more:.1f} %")
    Console().print(table)
