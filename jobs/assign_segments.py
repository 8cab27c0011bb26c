"""gold.customer_features and model segments → gold.customer_segments and their profiles."""

from pyspark.sql import functions as F

from affinity.algorithms import kmeans
from affinity.algorithms.segment_profiles import profiles
from affinity.core.settings import Settings
from affinity.io.entry import main
from affinity.io.job import Inputs, Job, Kind, Outputs
from affinity.tables import gold, models


def transform(inputs: Inputs, _settings: Settings) -> Outputs:
    """Put every customer into the nearest segment and describe the segments."""
    features = inputs[gold.CUSTOMER_FEATURES]
    model = inputs.models[models.SEGMENTS.full_name]
    version = F.lit(model.version)
    segments = kmeans.apply(model.required_pipeline, features)
    return Outputs(
        {
            gold.CUSTOMER_SEGMENTS: segments.withColumn("model_version", version),
            gold.SEGMENT_PROFILES: profiles(features, segments).withColumn("model_version", version),
        }
    )


JOB = Job(
    name="assign_segments",
    kind=Kind.SCORE,
    doc="The segment of every customer by the newest promoted model, and what each segment is like.",
    reads=(gold.CUSTOMER_FEATURES, models.SEGMENTS),
    writes=(gold.CUSTOMER_SEGMENTS, gold.SEGMENT_PROFILES),
    settings=Settings,
    transform=transform,
)


if __name__ == "__main__":
    main(JOB)
