"""gold.customer_features → model segments: KMeans, the number of segments by silhouette."""

from pydantic import Field

from affinity.algorithms import kmeans
from affinity.io.entry import main
from affinity.io.figures import sweep_figure
from affinity.io.job import Challenger, Inputs, Job, Kind, Outputs
from affinity.tables import gold, models


class TrainSegments(kmeans.KMeansConfig):
    """KMeans and when to train it."""

    every_days: int = Field(ge=1, description="Train again when the newest model is this old")
    max_drop: float = Field(ge=0, description="Silhouette that a challenger may be below the champion's")


def transform(inputs: Inputs, settings: TrainSegments) -> Outputs:
    """Sweep the numbers of segments and put the best forward; the baseline is one single segment (silhouette 0)."""
    model = kmeans.fit(inputs[gold.CUSTOMER_FEATURES].where("NOT is_bot"), settings)
    challenger = Challenger(
        models.SEGMENTS,
        metric_name="silhouette",
        metric=model.metrics["silhouette"],
        baseline=0.0,
        pipeline=model.pipeline,
        max_drop=settings.max_drop,
    )
    metrics = {**model.metrics, "baseline_silhouette": 0.0}
    return Outputs(challenger=challenger, metrics=metrics, figures={"sweep": sweep_figure(model.metrics)})


JOB = Job(
    name="train_segments",
    kind=Kind.TRAIN,
    doc="KMeans over standardised log recency, frequency and spend.",
    reads=(gold.CUSTOMER_FEATURES,),
    writes=(models.SEGMENTS,),
    settings=TrainSegments,
    transform=transform,
)


if __name__ == "__main__":
    main(JOB)
