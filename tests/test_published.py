import re
import subprocess
import sys
from pathlib import Path

import pytest

from checkpointing.published import CHECKPOINTS, Checkpoint
from nets.networks import NETWORKS

ROOT = Path(__file__).parent.parent
BUCKETS = "https://storage.googleapis.com/"
MODELS = f"{BUCKETS}download.tensorflow.org/models/"

# Copied from the READMEs of slim and the MobileNets.
PUBLISHED = {
    "inception_resnet_v2_2016_08_30": Checkpoint(
        "inception_resnet_v2",
        299,
        f"{MODELS}inception_resnet_v2_2016_08_30.tar.gz",
        80.4,
        95.3,
        "md5:9e0f18e1259acf943e30690460d96123",
    ),
    "inception_v1_2016_08_28": Checkpoint(
        "inception_v1", 224, f"{MODELS}inception_v1_2016_08_28.tar.gz", 69.8, 89.6
    ),
    "resnet_v1_50_2016_08_28": Checkpoint(
        "resnet_v1_50", 224, f"{MODELS}resnet_v1_50_2016_08_28.tar.gz", 75.2, 92.2
    ),
    "resnet_v2_101_2017_04_14": Checkpoint(
        "resnet_v2_101", 299, f"{MODELS}resnet_v2_101_2017_04_14.tar.gz", 77.0, 93.7
    ),
    "vgg_19_2016_08_28": Checkpoint("vgg_19", 224, f"{MODELS}vgg_19_2016_08_28.tar.gz", 71.1, 89.8),
    "nasnet-a_large_04_10_2017": Checkpoint(
        "nasnet_large", 331, f"{MODELS}nasnet-a_large_04_10_2017.tar.gz", 82.7, 96.2
    ),
    "pnasnet-5_mobile_2017_12_13": Checkpoint(
        "pnasnet_mobile", 224, f"{MODELS}pnasnet-5_mobile_2017_12_13.tar.gz", 74.2, 91.9
    ),
    "mobilenet_v1_1.0_224": Checkpoint(
        "mobilenet_v1", 224, f"{MODELS}mobilenet_v1_2018_08_02/mobilenet_v1_1.0_224.tgz", 70.9
    ),
    "mobilenet_v1_0.75_160": Checkpoint(
        "mobilenet_v1_075", 160, f"{MODELS}mobilenet_v1_2018_08_02/mobilenet_v1_0.75_160.tgz", 65.3
    ),
    "mobilenet_v1_0.25_128_quant": Checkpoint(
        "mobilenet_v1_025",
        128,
        f"{MODELS}mobilenet_v1_2018_08_02/mobilenet_v1_0.25_128_quant.tgz",
        39.5,
    ),
    "mobilenet_v1_0.5_160_2018_02_22": Checkpoint(
        "mobilenet_v1_050",
        160,
        f"{MODELS}mobilenet_v1_2018_02_22/mobilenet_v1_0.5_160.tgz",
        59.1,
        81.9,
    ),
    "mobilenet_v1_0.50_160_2017_06_14": Checkpoint(
        "mobilenet_v1_050", 160, f"{MODELS}mobilenet_v1_0.50_160_2017_06_14.tar.gz", 59.9, 82.5
    ),
    "mobilenet_v2_1.4_224": Checkpoint(
        "mobilenet_v2_140",
        224,
        f"{BUCKETS}mobilenet_v2/checkpoints/mobilenet_v2_1.4_224.tgz",
        74.9,
        92.5,
    ),
    "mobilenet_v2_0.35_96": Checkpoint(
        "mobilenet_v2_035", 96, f"{BUCKETS}mobilenet_v2/checkpoints/mobilenet_v2_0.35_96.tgz", 45.5
    ),
    "quantized_v2_192_75": Checkpoint(
        "mobilenet_v2_075", 192, f"{BUCKETS}mobilenet_v2/checkpoints/quantized_v2_192_75.tgz"
    ),
    "v3-small_224_0.75_float": Checkpoint(
        "mobilenet_v3_small_075",
        224,
        f"{BUCKETS}mobilenet_v3/checkpoints/v3-small_224_0.75_float.tgz",
        65.4,
    ),
    "v3-large-minimalistic_224_1.0_uint8": Checkpoint(
        "mobilenet_v3_large_minimalistic",
        224,
        f"{BUCKETS}mobilenet_v3/checkpoints/v3-large-minimalistic_224_1.0_uint8.tgz",
        71.3,
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_rows(name):
    assert CHECKPOINTS[name] == PUBLISHED[name]


def test_table_is_complete():
    """17 archives of other networks; 6 old and 32 new MobileNet V1; 2 x 22 V2; 9 V3."""
    assert len(CHECKPOINTS) == 17 + 6 + 32 + 44 + 9
    assert len({checkpoint.url for checkpoint in CHECKPOINTS.values()}) == len(CHECKPOINTS)


def test_names_are_those_of_the_archives():
    for name, checkpoint in CHECKPOINTS.items():
        file = checkpoint.url.rpartition("/")[2]
        stem = name.removesuffix("_2018_02_22")
        assert re.fullmatch(rf"{re.escape(stem)}\.(tar\.gz|tgz)", file), name
        assert file == stem + checkpoint.suffix


def test_networks_and_checkpoints_refer_to_each_other():
    assert {checkpoint.network for checkpoint in CHECKPOINTS.values()} <= set(NETWORKS)
    for name, network in NETWORKS.items():
        if network.checkpoint:
            published = CHECKPOINTS[network.checkpoint]
            assert (published.network, published.image_size) == (name, network.image_size)


def test_checking_a_path_imports_no_package():
    script = (
        "import sys, checkpointing.published, checkpointing.checkpoint_path;"
        "print(*{'h5py', 'numpy', 'requests', 'tensorflow', 'tqdm'} & set(sys.modules))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == ""
