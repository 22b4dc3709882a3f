"""Whisper through faster-whisper and CTranslate2 (`whisper_library`).

A job of up to 30 s is one window: features, one encoder run, one decoding, one alignment, and the GIL is free in the
last three. (faster-whisper's own `transcribe` encodes twice where the language is unknown, and again for a tail that
the model cut at its last timestamp, which is what an unfinished sentence looks like.) Longer jobs are cut where it is
quiet.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from fastring.asr.cores import available_cores, divide_cores
from fastring.asr.log_mel import LogMel
from fastring.asr.models import resolve_model
from fastring.asr.tones import is_tones
from fastring.asr.transcriber import Capabilities, Hypothesis, Job
from fastring.asr.whisper_library import choose_device, load_library, load_model
from fastring.asr.windows import quiet_cuts
from fastring.asr.words import UNSPACED, Piece, cut_loops, join_pieces, sounding_s, tighten
from fastring.errors import ConfigError, EngineFailedError, ModelUnavailableError
from fastring.events import Word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from fastring.config import AsrSettings

__all__ = ["WhisperTranscriber"]

SAMPLE_RATE = 16_000
WINDOW_S = 30
MIN_SAMPLES = SAMPLE_RATE // 10  # shorter audio holds no word
QUIETEST_PEAK = 1e-4  # -80 dBFS: digital silence with dither; nothing to hear
MAX_TOKENS = 448
# What a window may decode: nobody speaks 30 tokens a second, but a decoder in a loop goes on to the limit.
TOKENS_PER_SECOND, TOKENS_SPARE = 30, 32
GPU_BATCH, SHORT_BATCH = 8, 4  # on a CPU 30 s fill a core, so batches gain nothing there; short ones do (measured)
# With `short_encode`: silence behind the audio, and lengths that are multiples of a quarter of a second.
PADDING_FRAMES, FRAMES_STEP = 100, 24
# Models that hear the same when encoded short (measured); those that were only ever trained on 30 s do not.
BEAR_SHORT_ENCODE = frozenset({"digits"})
# A model may end before the audio does. What is left of a final is heard again if it is this long, and this much sound.
REST_S, REST_SOUND_S = 1.0, 0.3


@dataclass(frozen=True, slots=True)
class _Decoded:
    """One window as text tokens, before alignment; empty where the gates said that nobody spoke."""

    tokens: list[int]
    repetitive: bool = False


@dataclass(frozen=True, slots=True)
class _Heard:
    """A window's words, and where in the job the model stopped, in samples."""

    hypothesis: Hypothesis
    until: int = 0


class WhisperTranscriber:
    """A Whisper model; see `Transcriber` for the contract. Thread-safe: `concurrency` calls run at the same time.

    Args:
        settings: model, device, compute type, language, beams, workers and thresholds.

    Raises:
        ModelUnavailableError: if the model cannot be had, or faster-whisper is not installed.
        ConfigError: if device, compute type or language do not exist here.
    """

    def __init__(self, settings: AsrSettings) -> None:
        self._settings = settings
        self.short_encode = settings.short_encode == "on" or (
            settings.short_encode == "auto" and settings.model in BEAR_SHORT_ENCODE
        )
        library = load_library()
        device, compute_type = choose_device(library, settings)
        workers, threads = (
            divide_cores(available_cores(), settings.workers, settings.threads)
            if device == "cpu"
            else (settings.workers or 1, settings.threads or 1)
        )
        path = str(resolve_model(settings.model))
        self._load: Callable[[], Any] = lambda: load_model(
            library, path, device, compute_type, workers, threads, settings
        )
        self._model: Any = self._load()
        extractor = self._model.feature_extractor
        self._log_mel = LogMel(extractor.mel_filters, n_fft=extractor.n_fft, hop_length=extractor.hop_length)
        self._tokenizer = lru_cache(lambda language: library.tokenizer(self._model, language))
        self._multilingual = bool(self._model.model.is_multilingual)
        languages = tuple(self._model.supported_languages)
        if settings.language and self._multilingual and settings.language not in languages:
            raise ConfigError(f"asr.language = {settings.language!r}: must be one of {', '.join(languages)}")
        self._capabilities = Capabilities(
            engine="faster-whisper",
            model=settings.model,
            sample_rate=SAMPLE_RATE,
            languages=languages,
            max_batch=GPU_BATCH if device != "cpu" else SHORT_BATCH if self.short_encode else 1,
            concurrency=workers,
        )
        self.threads = threads
        self.device = device
        self.compute_type = compute_type
        self._try_out()

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; constant."""
        return self._capabilities

    def transcribe(self, jobs: Sequence[Job]) -> list[Hypothesis]:
        """Answer the jobs, in order; see `Transcriber`."""
        answers: list[Hypothesis] = [Hypothesis((), as_final=job.in_pause) for job in jobs]
        groups: dict[tuple[bool, str], list[int]] = {}
        for index, job in enumerate(jobs):
            if _holds_no_word(job.samples):
                continue
            if len(job.samples) > WINDOW_S * SAMPLE_RATE:
                answers[index] = self._hear_long(job)
            else:
                groups.setdefault((job.is_careful, self._language(job)), []).append(index)
        for (_, language), indices in groups.items():
            heard = self._hear_guarded([jobs[index] for index in indices], language)
            for index, window in zip(indices, heard, strict=True):
                answers[index] = self._to_the_end(jobs[index], window)
        return answers

    def forget(self, stream_id: str) -> None:
        """Nothing is kept per stream."""

    def rebuild(self) -> None:
        """Load the model again: CTranslate2's own threads are new then; a call that hangs keeps the old ones.

        Raises:
            ModelUnavailableError: if it cannot be loaded any more, or does not run.
        """
        before, self._model = self._model, self._load()
        try:
            self._try_out()
        except ModelUnavailableError:
            self._model = before
            raise

    def close(self) -> None:
        """Free the weights."""
        self._model.model.unload_model()

    def _try_out(self) -> None:
        """Run once: the first run allocates, and a model that cannot run must say so before the first client comes."""
        noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE // 2).astype(np.float32) * 0.01
        job = Job(0, "", 0, "partial", 0, noise)
        try:
            self._hear([job], self._language(job))
        except Exception as error:
            raise ModelUnavailableError(f"The model {self._settings.model!r} does not run: {error}") from error

    def _language(self, job: Job) -> str:
        """Code for Whisper, which knows no regions; "" to let the model decide."""
        return (job.language or self._settings.language).split("-")[0].lower() if self._multilingual else "en"

    def _to_the_end(self, job: Job, heard: _Heard) -> Hypothesis:
        """What was heard, and for a final also what the model left out behind it."""
        hypothesis = heard.hypothesis
        rest = len(job.samples) - heard.until
        if not job.is_careful or not hypothesis.words or rest < REST_S * SAMPLE_RATE:
            return hypothesis
        if sounding_s(job.samples, SAMPLE_RATE, after_s=heard.until / SAMPLE_RATE) < REST_SOUND_S:
            return hypothesis
        rest_of = replace(
            job, start=job.start + heard.until, samples=job.samples[heard.until :], language=hypothesis.language
        )
        (more,) = self.transcribe([rest_of])
        return replace(hypothesis, words=hypothesis.words + more.words)

    def _hear_long(self, job: Job) -> Hypothesis:
        """More than a window: cut where it is quiet, heard part by part."""
        language = self._language(job)
        words: list[Word] = []
        for begin, end in quiet_cuts(job.samples, SAMPLE_RATE):
            part = replace(job, start=job.start + begin, samples=job.samples[begin:end], language=language)
            (heard,) = self.transcribe([part])
            words += heard.words
            language = language or heard.language
        return Hypothesis(tuple(words), language, as_final=job.in_pause)

    def _hear_guarded(self, jobs: list[Job], language: str) -> list[_Heard]:
        """`_hear`, with whatever the libraries raise turned into `EngineFailedError`."""
        try:
            return self._hear(jobs, language)
        except Exception as error:
            raise EngineFailedError(f"faster-whisper failed: {error}") from error

    # --- one window ----------------------------------------------------------------------------------------------

    def _hear(self, jobs: list[Job], language: str) -> list[_Heard]:
        """Jobs that are all heard with care, or none of them."""
        features, n_frames = self._features(jobs)
        encoded = self._model.encode(features)
        if language or not self._multilingual:
            return self._hear_encoded(jobs, encoded, n_frames, language)
        detected = [ranking[0][0][2:-2] for ranking in self._model.model.detect_language(encoded)]
        if len(set(detected)) == 1:
            return self._hear_encoded(jobs, encoded, n_frames, detected[0])
        return [self._hear([job], code)[0] for job, code in zip(jobs, detected, strict=True)]

    def _features(self, jobs: list[Job]) -> tuple[Any, list[int]]:
        """Log-mel features padded with zeros, shape (jobs, mels, frames), and how many frames are audio.

        Padded to the 30 s that the model was trained on, or, with `short_encode`, by a second.
        """
        mels = [self._log_mel(job.samples) for job in jobs]
        n_frames: int = self._model.feature_extractor.nb_max_frames
        if self.short_encode:
            needed = max(mel.shape[1] for mel in mels) + PADDING_FRAMES
            n_frames = min(n_frames, -(-needed // FRAMES_STEP) * FRAMES_STEP)
        features = np.zeros((len(mels), mels[0].shape[0], n_frames), np.float32)
        for row, mel in zip(features, mels, strict=True):
            row[:, : mel.shape[1]] = mel
        return features, [mel.shape[1] for mel in mels]

    def _hear_encoded(self, jobs: list[Job], encoded: Any, n_frames: list[int], language: str) -> list[_Heard]:
        tokenizer = self._tokenizer(language or "en")
        decoded = self._decode(encoded, tokenizer, max(n_frames), careful=jobs[0].is_careful)
        aligned = self._align(encoded, tokenizer, n_frames, decoded)
        return [
            _Heard(
                self._hypothesis(job, pieces, language, text.repetitive),
                min(len(job.samples), max((round(piece.end_s * SAMPLE_RATE) for piece in pieces), default=0)),
            )
            for job, pieces, text in zip(jobs, aligned, decoded, strict=True)
        ]

    def _decode(self, encoded: Any, tokenizer: Any, n_frames: int, *, careful: bool) -> list[_Decoded]:
        prompt = list(tokenizer.sot_sequence)
        longest = len(prompt) + TOKENS_SPARE + math.ceil(TOKENS_PER_SECOND * n_frames / 100)
        results = self._model.model.generate(
            encoded,
            [prompt] * encoded.shape[0],
            beam_size=self._settings.beam_size if careful else 1,
            max_length=min(MAX_TOKENS, longest),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=_no_speech_tokens(tokenizer),
            max_initial_timestamp_index=50,  # 1 s, as Whisper was trained
        )
        return [self._gated(result, tokenizer) for result in results]

    def _gated(self, result: Any, tokenizer: Any) -> _Decoded:
        """The text tokens of a window, or none where the model itself takes it for silence."""
        tokens = result.sequences_ids[0]
        mean_log_prob = result.scores[0] * len(tokens) / (len(tokens) + 1)
        if self._is_silence(result.no_speech_prob, mean_log_prob):
            return _Decoded([])
        text = [token for token in tokens if token < tokenizer.eot]
        return _Decoded(text, self._is_repetitive(tokenizer.decode(text).strip()))

    def _is_silence(self, no_speech_prob: float, mean_log_prob: float) -> bool:
        limits = self._settings
        return no_speech_prob > limits.no_speech_threshold and mean_log_prob <= limits.log_prob_threshold

    def _is_repetitive(self, text: str) -> bool:
        data = text.encode()
        return bool(data) and len(data) / len(zlib.compress(data)) > self._settings.compression_ratio_threshold

    def _align(self, encoded: Any, tokenizer: Any, n_frames: list[int], decoded: list[_Decoded]) -> list[list[Piece]]:
        """Words with times and confidences, by dynamic time warping over the cross-attention."""
        if not any(text.tokens for text in decoded):
            return [[] for _ in decoded]
        filler = tokenizer.encode(" ")  # an empty row in a batch still needs a token
        found = self._model.find_alignment(tokenizer, [text.tokens or filler for text in decoded], encoded, n_frames)
        return [_pieces(rows) if text.tokens else [] for rows, text in zip(found, decoded, strict=True)]

    def _hypothesis(self, job: Job, pieces: list[Piece], language: str, repetitive: bool) -> Hypothesis:
        words = join_pieces(pieces, spaced=language not in UNSPACED)
        words = tighten(cut_loops(words, repetitive=repetitive), job.samples, SAMPLE_RATE)
        return Hypothesis(
            tuple(
                Word(
                    word.text,
                    job.start + round(word.start_s * SAMPLE_RATE),
                    job.start + round(word.end_s * SAMPLE_RATE),
                    min(1.0, max(0.0, word.confidence)),
                )
                for word in words
            ),
            language,
            as_final=job.in_pause,
        )


def _holds_no_word(samples: NDArray[np.float32]) -> bool:
    """Whether that can be told without the model."""
    return len(samples) < MIN_SAMPLES or float(np.abs(samples).max()) < QUIETEST_PEAK or is_tones(samples)


def _pieces(rows: Iterable[dict[str, Any]]) -> list[Piece]:
    return [
        Piece(row["word"], float(row["start"]), float(row["end"]), float(row["probability"]))
        for row in rows
        if row["word"]
    ]


def _no_speech_tokens(tokenizer: Any) -> list[int]:
    """Tokens that are no speech: symbols, and the control tokens a transcript never holds."""
    control = (tokenizer.transcribe, tokenizer.translate, tokenizer.sot, tokenizer.sot_prev, tokenizer.sot_lm)
    return sorted({*tokenizer.non_speech_tokens, *(token for token in control if token is not None)})
