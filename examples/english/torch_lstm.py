"""The network of `char_lm` in PyTorch, and the loop that trains it as people usually write it."""

from typing import Any

import numpy as np
import torch
from torch import nn


class TorchLSTM(nn.Module):
    """An embedding, an LSTM and a linear layer, with the parameters of fastrnn's `Sequential` of the same layers."""

    def __init__(self, parameters: dict[str, np.ndarray], peak: float, steps: int, clip: float) -> None:
        super().__init__()
        torch.set_num_threads(1)
        (size, inputs), hidden = parameters["0.weight"].shape, parameters["1.weight_hh_l0"].shape[1]
        layers = nn.Embedding(size, inputs), nn.LSTM(inputs, hidden, batch_first=True), nn.Linear(hidden, size)
        self.layers, self.clip = nn.ModuleList(layers), clip
        self.layers.load_state_dict({name: torch.from_numpy(w) for name, w in parameters.items()})
        self.optimizer = torch.optim.Adam(self.parameters(), peak)
        self.rates = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, peak, steps, cycle_momentum=False)

    def forward(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """Return logits (N, T, V) and the state."""
        embedding, lstm, linear = self.layers
        output, state = lstm(embedding(x), state)
        return linear(output), state

    def _loss(self, x: Any, y: Any, state: Any) -> tuple[Any, Any]:
        logits, state = self(x, state)
        return nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten()), state

    def epoch(self, x: np.ndarray, y: np.ndarray, window: int) -> list[float]:
        """Train on ids (N, L), an update every window; return the losses."""
        ids, following = torch.from_numpy(x).long(), torch.from_numpy(y).long()
        losses, state = [], None
        for start in range(0, x.shape[1], window):
            stop = start + window
            self.optimizer.zero_grad()
            loss, state = self._loss(ids[:, start:stop], following[:, start:stop], state)
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters(), self.clip)
            self.optimizer.step()
            self.rates.step()
            losses.append(loss.item())
            state = tuple(part.detach() for part in state)
        return losses

    @torch.no_grad()
    def loss(self, x: np.ndarray, y: np.ndarray) -> float:
        """Return the mean loss over ids (N, L)."""
        return float(self._loss(torch.from_numpy(x).long(), torch.from_numpy(y).long(), None)[0])
