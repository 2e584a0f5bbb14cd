"""The worked example: a network that reads letters one at a time and notices when a word has just gone by.

`letters` turns text into what the network sees, `pieces` makes random text with words and near misses in it,
`training` fits a detector, `scoring` measures it, `scanning` lets it read files.
"""

from fastrnn.detector.letters import Letters
from fastrnn.detector.scanning import Detection, scan
from fastrnn.detector.scoring import Score, score
from fastrnn.detector.training import Detector, load, train

__all__ = ["Detection", "Detector", "Letters", "Score", "load", "scan", "score", "train"]
