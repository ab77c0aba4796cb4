"""Packet reader: bytes to integers, with the integer entropy model in NumPy and the range decoder in Python.

Place in the chain: first block of the decoder, the mirror of `packet.put_packets` and `packet.put_enhancements`. All
arithmetic uses integers, or doubles that represent integers below 2^53 exactly, so that every machine reads the same
symbols. `nn.packet_reader` is the same compiled by JAX. Delay: none.

Letters: T packets, K side integers, S vectors of latents, D latents, L enhancements, c context.
"""

from typing import Protocol

import numpy as np

from lpcnet_cq.bitstream.contexts import MOST_KNOWN, Past, start
from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.bitstream.vector_reader import HEAD_BYTES, SymbolTables, VectorReader
from lpcnet_cq.errors import BitstreamError

BUFFER_BYTES = 1 << 16  # more than the payload of a segment, the most that is read at once
SYMBOL_BYTES = 5  # more than the bytes of any symbol: 16 bits of an escape, 5 and 15 bits of its distance
NO_LAYER = "a packet is damaged: its step size allows no enhancement layer"
NO_PAST = "a packet needs the packets before it, which are not known"


class ReadsPackets(Protocol):
    """Read packets: `PacketReader`, or the compiled reader."""

    def read(
        self, pasts: list[Past] | None, data: bytes, offset: int, n: int, T: int, L: int = 0, packet_bytes: int = 0
    ) -> tuple[list[Past], Integers, np.ndarray]:
        """Read packets, see `PacketReader.read`."""
        ...


class PacketReader:
    """Read sequences of packets.

    Parameters
    ----------
    model : EntropyModel
    """

    def __init__(self, model: EntropyModel):
        self.model = model
        self._fresh = start(model)
        self._flag = model.flag.tolist()
        self._tables = SymbolTables(model.cumulative)
        self._step_tables: dict[int | None, list[int]] = {}
        self._margin = bytes(HEAD_BYTES + SYMBOL_BYTES * (2 + model.K + model.S * model.D))

    def read(
        self,
        pasts: list[Past] | None,
        data: bytes,
        offset: int,
        n: int,
        T: int,
        L: int = 0,
        packet_bytes: int = 0,
    ) -> tuple[list[Past], Integers, np.ndarray]:
        """Read the `n` packets at `offset`.

        Parameters
        ----------
        pasts : list of 1 + L Past, coarsest first, or None
            None if the packets before are not known.
        data : bytes
            At most 65536 bytes.
        offset : int
        n : int
            Number of packets to read, 1 or more.
        T : int
            Not used; readers that are compiled read packets of this number at a time.
        L : int
            Number of enhancement layers of each packet.
        packet_bytes : int
            Constant distance between the starts of packets; 0 if packets follow each other without padding.

        Returns
        -------
        pasts : list of Past
        n : Integers
            Integers of the finest layer.
        ends : int array (n, 1 + L)
            Offsets of the first byte after each layer.

        Raises
        ------
        BitstreamError
            If no encoder writes such bytes, or the first packet needs earlier packets that are not known.
        """
        n_bytes, data = len(data), bytes(data) + self._margin
        after, read, ends = pasts, [], []
        for _ in range(n):
            after, packet, layer_ends = self._packet(after, data, offset, n_bytes, L)
            read.append(packet)
            ends.append(layer_ends)
            offset = min(offset + packet_bytes, n_bytes) if packet_bytes else layer_ends[-1]
        step, side, latents = (np.array(column, np.int64) for column in zip(*read, strict=True))
        return after or [], Integers(step, side, latents), np.array(ends)

    def _packet(self, pasts: list[Past] | None, data: bytes, offset: int, n_bytes: int, L: int):
        """Read one packet with its enhancement layers."""
        model, reader = self.model, VectorReader(self._tables, data, offset)
        if reader.symbol(self._flag) == 1:
            pasts = [self._fresh] * (1 + L)
        if not pasts:
            raise BitstreamError(NO_PAST)
        past = pasts[0]
        step = reader.symbol(self._step_table(past.step if past.known else None))
        if step < model.layer_steps * L:
            raise BitstreamError(NO_LAYER)
        side = np.zeros(model.K, np.int64)
        reader.vector(model.side_sums(past.side, past.known), side)
        sides, n_known = np.concatenate([past.side[1:], side[None]]), min(past.known + 1, MOST_KNOWN)
        ends, after, coarse = [], [], None
        for layer in range(1 + L):
            if layer:
                reader.open(ends[-1])
            q, window = step - model.layer_steps * layer, pasts[layer].latents
            known = self._latents(reader, model.read_context(past.side, side, q, past.known), window, coarse)
            ends.append(reader.close(n_bytes))
            coarse = known[len(window) :]
            after.append(Past(q, sides, known[len(known) - len(window) :], n_known))
        return after, (q, side, coarse), ends

    def _step_table(self, before: int | None) -> list[int]:
        """Return the table of the step index, given the index before; None: behind a reset."""
        if before not in self._step_tables:
            known = np.int64(before is not None)
            table = self.model.step_table(self.model.nominal_step if before is None else before, known)
            self._step_tables[before] = table.tolist()
        return self._step_tables[before]

    def _latents(self, reader: VectorReader, context, window: np.ndarray, coarse: np.ndarray | None) -> np.ndarray:
        """Read the latents of all vectors; return those behind the vectors of the window (c, D), (c + S, D)."""
        S, D, c = self.model.S, self.model.D, len(window)
        known = np.zeros((c + S, D), np.int64)
        known[:c] = window
        for i in range(S):
            sums = self.model.latent_sums(context, i, known[i : i + c])
            if coarse is None:
                reader.vector(sums, known[c + i])
            else:
                known[c + i] = reader.refined(sums, coarse[i].tolist())
        return known
