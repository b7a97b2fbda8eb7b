"""The published checkpoints: their addresses, networks and accuracies.

From the READMEs of TensorFlow's research/slim and of its MobileNets. A name is that of the archive
without .tar.gz or .tgz; of two archives with the same name, the older one has its date appended.

Left out: ResNet V2 200, which was never published, and the EdgeTPU MobileNets, whose address
requires an account. Where two READMEs round an accuracy differently, slim's is used.
"""

from dataclasses import dataclass

HOST = "https://storage.googleapis.com/"
_MODELS = f"{HOST}download.tensorflow.org/models/"
_MOBILENET_V2 = f"{HOST}mobilenet_v2/checkpoints/"
_MOBILENET_V3 = f"{HOST}mobilenet_v3/checkpoints/"


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint.

    Attributes:
      network: its network, a name of the table of networks.
      image_size: height and width of the images it was trained on, in pixels.
      url: the address of its archive.
      top_1: its accuracy on the ImageNet validation set, single crop, in percent; None if it was
        not published.
      top_5: the same for five guesses.
      digest: algorithm and hexadecimal digest of its archive, `md5:9e0f...`; None if unknown.
    """

    network: str
    image_size: int
    url: str
    top_1: float | None = None
    top_5: float | None = None
    digest: str | None = None

    @property
    def suffix(self):
        """The suffix of its archive, .tar.gz or .tgz."""
        return ".tar.gz" if self.url.endswith(".tar.gz") else ".tgz"


def _with_width(family, width):
    """Returns the network of `family` with a depth multiplier: mobilenet_v1_050 for 0.5."""
    return family if float(width) == 1 else f"{family}_{round(100 * float(width)):03}"


def _slim():
    """The networks with one archive each, in the table of slim's README."""
    rows = (
        ("inception_v1", "2016_08_28", 224, 69.8, 89.6),
        ("inception_v2", "2016_08_28", 224, 73.9, 91.8),
        ("inception_v3", "2016_08_28", 299, 78.0, 93.9),
        ("inception_v4", "2016_09_09", 299, 80.2, 95.2),
        ("inception_resnet_v2", "2016_08_30", 299, 80.4, 95.3),
        ("resnet_v1_50", "2016_08_28", 224, 75.2, 92.2),
        ("resnet_v1_101", "2016_08_28", 224, 76.4, 92.9),
        ("resnet_v1_152", "2016_08_28", 224, 76.8, 93.2),
        ("resnet_v2_50", "2017_04_14", 299, 75.6, 92.8),
        ("resnet_v2_101", "2017_04_14", 299, 77.0, 93.7),
        ("resnet_v2_152", "2017_04_14", 299, 77.8, 94.1),
        ("vgg_16", "2016_08_28", 224, 71.5, 89.8),
        ("vgg_19", "2016_08_28", 224, 71.1, 89.8),
    )
    # From Keras, which downloaded the same archive.
    digests = {"inception_resnet_v2": "md5:9e0f18e1259acf943e30690460d96123"}
    for network, date, image_size, top_1, top_5 in rows:
        name = f"{network}_{date}"
        url = f"{_MODELS}{name}.tar.gz"
        yield name, Checkpoint(network, image_size, url, top_1, top_5, digests.get(network))


def _nasnet():
    """NASNet and PNASNet, in the same table; their archives are named differently."""
    for name, network, image_size, top_1, top_5 in (
        ("nasnet-a_mobile_04_10_2017", "nasnet_mobile", 224, 74.0, 91.6),
        ("nasnet-a_large_04_10_2017", "nasnet_large", 331, 82.7, 96.2),
        ("pnasnet-5_large_2017_12_13", "pnasnet_large", 331, 82.9, 96.2),
        ("pnasnet-5_mobile_2017_12_13", "pnasnet_mobile", 224, 74.2, 91.9),
    ):
        yield name, Checkpoint(network, image_size, f"{_MODELS}{name}.tar.gz", top_1, top_5)


def _old_mobilenet_v1():
    """The series of June 2017 and February 2018; slim's table has three of each."""
    for date, width, image_size, top_1, top_5 in (
        ("2017_06_14", "1.0", 224, 70.7, 89.5),
        ("2017_06_14", "0.50", 160, 59.9, 82.5),
        ("2017_06_14", "0.25", 128, 41.3, 66.2),
        ("2018_02_22", "1.0", 224, 70.9, 89.9),
        ("2018_02_22", "0.5", 160, 59.1, 81.9),
        ("2018_02_22", "0.25", 128, 41.5, 66.3),
    ):
        stem = f"mobilenet_v1_{width}_{image_size}"
        path = f"{stem}_{date}.tar.gz" if date < "2018" else f"mobilenet_v1_{date}/{stem}.tgz"
        network = _with_width("mobilenet_v1", width)
        yield f"{stem}_{date}", Checkpoint(network, image_size, _MODELS + path, top_1, top_5)


def _mobilenet_v1():
    """The series of August 2018: four widths, four image sizes, float and quantized."""
    top_1 = {
        ("1.0", ""): (70.9, 70.0, 68.0, 65.2),
        ("0.75", ""): (68.4, 67.2, 65.3, 62.1),
        ("0.5", ""): (63.3, 61.7, 59.1, 56.3),
        ("0.25", ""): (49.8, 47.7, 45.5, 41.5),
        ("1.0", "_quant"): (70.1, 69.2, 67.2, 63.4),
        ("0.75", "_quant"): (66.8, 66.1, 62.3, 55.8),
        ("0.5", "_quant"): (60.7, 60.0, 57.7, 54.5),
        ("0.25", "_quant"): (48.0, 46.0, 43.4, 39.5),
    }
    for (width, quantized), accuracies in top_1.items():
        network = _with_width("mobilenet_v1", width)
        for image_size, accuracy in zip((224, 192, 160, 128), accuracies):
            name = f"mobilenet_v1_{width}_{image_size}{quantized}"
            url = f"{_MODELS}mobilenet_v1_2018_08_02/{name}.tgz"
            yield name, Checkpoint(network, image_size, url, accuracy)


def _mobilenet_v2():
    """Six widths, up to five image sizes; float, and quantized without a published accuracy."""
    top_1 = {
        "1.4": (74.9,),
        "1.3": (74.4,),
        "1.0": (71.9, 70.7, 68.8, 65.3, 60.3),
        "0.75": (69.8, 68.7, 66.4, 63.2, 58.8),
        "0.5": (65.4, 63.9, 61.0, 57.7, 51.2),
        "0.35": (60.3, 58.2, 55.7, 50.8, 45.5),
    }
    top_5 = {"mobilenet_v2_1.4_224": 92.5, "mobilenet_v2_1.0_224": 91.0}
    for width, accuracies in top_1.items():
        network = _with_width("mobilenet_v2", width)
        for image_size, accuracy in zip((224, 192, 160, 128, 96), accuracies):
            name = f"mobilenet_v2_{width}_{image_size}"
            url = f"{_MOBILENET_V2}{name}.tgz"
            yield name, Checkpoint(network, image_size, url, accuracy, top_5.get(name))
            name = f"quantized_v2_{image_size}_{round(100 * float(width))}"
            yield name, Checkpoint(network, image_size, f"{_MOBILENET_V2}{name}.tgz")


def _mobilenet_v3():
    """Large and small, also minimalistic; two widths; float and quantized."""
    for kind, width, dtype, top_1 in (
        ("large", "1.0", "float", 75.2),
        ("large", "1.0", "uint8", 73.9),
        ("large", "0.75", "float", 73.3),
        ("small", "1.0", "float", 67.5),
        ("small", "1.0", "uint8", 64.9),
        ("small", "0.75", "float", 65.4),
        ("large-minimalistic", "1.0", "float", 72.3),
        ("large-minimalistic", "1.0", "uint8", 71.3),
        ("small-minimalistic", "1.0", "float", 61.9),
    ):
        name = f"v3-{kind}_224_{width}_{dtype}"
        network = _with_width(f"mobilenet_v3_{kind.replace('-', '_')}", width)
        yield name, Checkpoint(network, 224, f"{_MOBILENET_V3}{name}.tgz", top_1)


CHECKPOINTS: dict[str, Checkpoint] = {
    name: checkpoint
    for series in (
        _slim(),
        _nasnet(),
        _mobilenet_v1(),
        _old_mobilenet_v1(),
        _mobilenet_v2(),
        _mobilenet_v3(),
    )
    for name, checkpoint in series
}
