// The ring and its readers against plain intervals of frame indices: any sequence of operations, and every count after
// each. Small state and no allocation of its own, so that a second tries tens of thousands of sequences.
#include <array>
#include <optional>

#include "error.hpp"
#include "fuzz_input.hpp"
#include "ring_buffer.hpp"
#include "ring_reader.hpp"
#include "tight_array.hpp"

namespace {

using fastring::fuzz::FuzzInput;
using fastring::fuzz::TightArray;
using namespace fastring;

constexpr SampleIndex kLast = std::numeric_limits<SampleIndex>::max();
constexpr std::int64_t kMostFrames = 63;  // of one operation
constexpr int kMostChannels = 3;
constexpr int kMostOperations = 128;
constexpr std::size_t kMostSamples = kMostFrames * kMostChannels;

// Unsigned, as a write that is refused may lie past the last index.
std::int16_t sample_of(std::uint64_t index, int channel) {
  return static_cast<std::int16_t>((index * 40503U + static_cast<unsigned>(channel) * 77U) >> 3);
}

// What a reader has lost and was not told of yet: ranges in order, none touching the next.
class LostModel {
 public:
  void clear() { count_ = 0, frames_ = 0; }
  void add(SampleIndex start, std::int64_t frames) {
    frames_ += frames;
    if (count_ > 0 && ranges_[count_ - 1].start + ranges_[count_ - 1].frames == start) {
      ranges_[count_ - 1].frames += frames;
    } else {
      ranges_[count_++] = {start, frames};
    }
  }
  void keep_first(std::int64_t frames) {
    while (frames_ > frames) {
      LostRange& last = ranges_[count_ - 1];
      const std::int64_t cut = std::min(last.frames, frames_ - frames);
      last.frames -= cut;
      frames_ -= cut;
      if (last.frames == 0) --count_;
    }
  }
  [[nodiscard]] std::int64_t frames() const { return frames_; }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] const LostRange& operator[](std::size_t i) const { return ranges_[i]; }

 private:
  std::array<LostRange, 2 * kMostOperations> ranges_;
  std::size_t count_ = 0;
  std::int64_t frames_ = 0;
};

struct ReaderModel {
  std::optional<RingReader> reader;
  SampleIndex next = 0;  // [next, written) is unread
  LostModel lost;
  std::int64_t noticed = 0;  // of the frames lost, how many the reader has come upon
  std::int64_t read = 0;
  std::int64_t dropped = 0;
};

class RingModel {
 public:
  explicit RingModel(const RingConfig& config)
      : config_(config),
        ring_(config),
        written_(config.start_index),
        made_room_(written_),
        base_(written_),
        floor_(written_) {}

  void write(std::int64_t frames) {
    const auto& audio = audio_from(written_, frames);
    const WriteStatus expected = admit(frames);
    FUZZ_CHECK(ring_.write(audio.data(), frames) == expected);
    if (expected == WriteStatus::kOk) append(frames);
  }

  void reserve(std::int64_t frames) {
    const std::int64_t run = std::min(frames, config_.capacity_frames - written_ % config_.capacity_frames);
    const WriteStatus expected = admit(run);
    const RingWriteView view = ring_.reserve(frames);
    FUZZ_CHECK(view.status == expected && view.start == written_ && view.frames == run);
    if (expected != WriteStatus::kOk) return;
    reserved_ = run;
    view_ = static_cast<std::int16_t*>(view.audio);
    std::fill_n(view_, run * config_.channels, std::int16_t{-1});  // what is not published must never be read
  }

  void publish(std::int64_t frames) {
    if (frames > reserved_) {
      FUZZ_CHECK(ring_.publish(frames) == WriteStatus::kNotReserved);
      return;
    }
    if (frames > 0) {
      const auto& audio = audio_from(written_, frames);
      std::copy(audio.begin(), audio.end(), view_);
    }
    reserved_ = 0;
    FUZZ_CHECK(ring_.publish(frames) == (closed_ ? WriteStatus::kClosed : WriteStatus::kOk));
    if (!closed_) append(frames);
  }

  void add_reader(FuzzInput& input) {
    ReaderModel& model = readers_[joined_ % readers_.size()];
    if (model.reader) {
      gone_dropped_ += model.dropped;
      gone_read_ += model.read;
      model.reader.reset();
      --present_;
    }
    const SampleIndex start = std::min(oldest() - 2, kLast - 50) + input.below(config_.capacity_frames + 4);
    const bool held = start >= oldest() && start <= written_;
    try {
      model.reader.emplace(ring_, start);
      FUZZ_CHECK(held);
    } catch (const Error& error) {
      FUZZ_CHECK(!held && error.code() == ErrorCode::kRangeLost);
      ++joined_;
      return;
    }
    model.next = start;
    model.lost.clear();
    model.noticed = model.read = model.dropped = 0;
    ++joined_;
    ++present_;
  }

  void read(std::int64_t frames, bool converted) {
    ReaderModel* model = pick(frames);
    if (model == nullptr) return;
    const std::int64_t count = std::min(frames, written_ - model->next);
    if (converted) {
      static TightArray<float, kMostSamples> out;
      out.resize(static_cast<std::size_t>(frames * config_.channels));
      const ReadResult result = model->reader->read_converted(out.data(), frames);
      check_frames(result, count, *model, [&](std::size_t i) { return static_cast<std::int16_t>(out[i] * 32768.0f); });
    } else {
      static TightArray<std::int16_t, kMostSamples> out;
      out.resize(static_cast<std::size_t>(frames * config_.channels));
      const ReadResult result = model->reader->read(out.data(), frames);
      check_frames(result, count, *model, [&](std::size_t i) { return out[i]; });
    }
    consume(*model, count);
  }

  void peek(std::int64_t frames) {
    ReaderModel* model = pick(frames);
    if (model == nullptr) return;
    const RingView view = model->reader->peek(frames);
    const auto* audio = static_cast<const std::int16_t*>(view.audio);
    check_frames({view.start, view.frames}, view.frames, *model, [&](std::size_t i) { return audio[i]; });
    const bool whole = view.frames == std::min(frames, written_ - model->next);
    FUZZ_CHECK(whole || (view.start + view.frames) % config_.capacity_frames == 0);
    FUZZ_CHECK(model->reader->commit(view.frames) == 0);
    consume(*model, view.frames);
  }

  void read_at(SampleIndex start, std::int64_t frames) {
    static TightArray<std::int16_t, kMostSamples> out;
    out.resize(static_cast<std::size_t>(frames * config_.channels));
    const bool held = start >= oldest() && frames <= written_ - start;
    FUZZ_CHECK(ring_.read_at(start, out.data(), frames) == held);
    if (held) FUZZ_CHECK(std::ranges::equal(out, audio_from(start, frames)));
  }

  void reset() {
    ring_.reset();
    reserved_ = 0;
    base_ = floor_ = written_;
    overflows_ = high_water_ = gone_dropped_ = gone_read_ = 0;
    for_readers([&](ReaderModel& model) {
      model.next = written_;
      model.lost.keep_first(model.noticed);
      model.dropped = model.read = 0;
    });
  }

  void close() {
    ring_.close();
    closed_ = true;
  }

  void take_lost() {
    for_readers([&](ReaderModel& model) {
      const std::size_t ranges = model.lost.count();
      LostRange range{};
      for (std::size_t i = ranges - std::min(ranges, RingReader::kMaxLostRanges); i < ranges; ++i) {
        FUZZ_CHECK(model.reader->take_lost(range));
        FUZZ_CHECK(range.start == model.lost[i].start && range.frames == model.lost[i].frames);
      }
      FUZZ_CHECK(!model.reader->take_lost(range));
      model.lost.clear();
      model.noticed = 0;
    });
  }

  void check() {
    const RingStats stats = ring_.stats();
    std::int64_t used = 0;
    std::int64_t dropped = gone_dropped_;
    std::int64_t read = gone_read_;
    for_readers([&](const ReaderModel& model) {
      FUZZ_CHECK(model.reader->available() == written_ - model.next);
      FUZZ_CHECK(model.reader->position() == model.next);
      used = std::max(used, written_ - model.next);
      dropped += model.dropped;
      read += model.read;
    });
    FUZZ_CHECK(stats.used_frames == used && stats.dropped_frames == dropped && stats.total_read_frames == read);
    FUZZ_CHECK(stats.held_frames == written_ - oldest());
    FUZZ_CHECK(stats.overflows == overflows_ && stats.high_water_frames == high_water_);
    FUZZ_CHECK(stats.total_written_frames == written_ - base_ && ring_.write_index() == written_);
    FUZZ_CHECK(ring_.oldest_index() == oldest());
    FUZZ_CHECK(ring_.closed() == closed_ && ring_.reserved_frames() == reserved_);
  }

  [[nodiscard]] SampleIndex written() const { return written_; }

 private:
  using Audio = TightArray<std::int16_t, kMostSamples>;

  [[nodiscard]] const Audio& audio_from(SampleIndex start, std::int64_t frames) const {
    static Audio audio;
    audio.resize(static_cast<std::size_t>(frames * config_.channels));
    std::int16_t* to = audio.data();
    for (std::int64_t f = 0; f < frames; ++f) {
      for (int c = 0; c < config_.channels; ++c)
        *to++ = sample_of(static_cast<std::uint64_t>(start) + static_cast<std::uint64_t>(f), c);
    }
    return audio;
  }

  // The oldest frame held.
  [[nodiscard]] SampleIndex oldest() const {
    return std::min(written_, std::max(floor_, made_room_ - config_.capacity_frames));
  }

  template <class Act>
  void for_readers(Act act) {
    for (ReaderModel& model : readers_) {
      if (model.reader) act(model);
    }
  }

  // What becomes of a write of so many frames; if it is taken, what must go is gone afterwards.
  WriteStatus admit(std::int64_t frames) {
    if (closed_) return WriteStatus::kClosed;
    if (reserved_ > 0) return WriteStatus::kReserved;
    if (frames == 0) return WriteStatus::kOk;
    if (frames > kLast - written_) return WriteStatus::kIndexExhausted;
    if (written_ + frames <= made_room_) return WriteStatus::kOk;
    const SampleIndex keep = written_ + frames - config_.capacity_frames;
    bool overflows = false;
    for_readers([&](const ReaderModel& model) { overflows = overflows || model.next < keep; });
    overflows_ += overflows ? 1 : 0;
    if (overflows && config_.overflow == OverflowPolicy::kReject) return WriteStatus::kFull;
    made_room_ = written_ + frames;
    drop_below(keep);
    return WriteStatus::kOk;
  }

  void append(std::int64_t frames) {
    written_ += frames;
    drop_below(made_room_ - config_.capacity_frames);  // a write longer than the ring loses frames of its own
    if (frames == 0) return;
    for_readers([&](const ReaderModel& model) { high_water_ = std::max(high_water_, written_ - model.next); });
  }

  void drop_below(SampleIndex keep) {
    for_readers([&](ReaderModel& model) {
      const std::int64_t frames = std::min(keep, written_) - model.next;
      if (frames <= 0) return;
      model.lost.add(model.next, frames);
      model.next += frames;
      model.dropped += frames;
    });
  }

  // One of the readers present, the same for the same number.
  ReaderModel* pick(std::int64_t by) {
    if (present_ == 0) return nullptr;
    for (auto at = static_cast<std::size_t>(by);; ++at) {
      if (readers_[at % readers_.size()].reader) return &readers_[at % readers_.size()];
    }
  }

  template <class Sample>
  void check_frames(const ReadResult& result, std::int64_t frames, const ReaderModel& model, Sample sample) const {
    FUZZ_CHECK(result.frames == frames);
    FUZZ_CHECK(result.start == model.next);
    const auto& expected = audio_from(result.start, frames);
    for (std::size_t i = 0; i < expected.size(); ++i) FUZZ_CHECK(sample(i) == expected[i]);
  }

  static void consume(ReaderModel& model, std::int64_t frames) {
    model.next += frames;
    model.read += frames;
    model.noticed = model.lost.frames();
  }

  RingConfig config_;
  RingBuffer ring_;
  std::array<ReaderModel, 4> readers_;  // gone before the ring
  std::size_t joined_ = 0;
  std::size_t present_ = 0;
  SampleIndex written_;
  SampleIndex made_room_;  // the highest end that room was made for
  SampleIndex base_;
  SampleIndex floor_;  // what lies below was reset away, or never written
  std::int64_t reserved_ = 0;
  std::int16_t* view_ = nullptr;
  std::int64_t overflows_ = 0;
  std::int64_t high_water_ = 0;
  std::int64_t gone_dropped_ = 0;
  std::int64_t gone_read_ = 0;
  bool closed_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  constexpr SampleIndex kStarts[] = {0, (SampleIndex{1} << 31) - 20, (SampleIndex{1} << 32) - 20, kLast - 200};
  const auto first = input.take<std::uint8_t>();
  RingModel model({1 + input.below(40), 1 + first % kMostChannels, SampleType::kInt16,
                   (first & 4) != 0 ? OverflowPolicy::kReject : OverflowPolicy::kDropOldest,
                   kStarts[(first >> 3) % 4]});
  for (int operations = 0; !input.done() && operations < kMostOperations; ++operations) {
    const auto operation = input.take<std::uint8_t>();
    const std::int64_t frames = input.take<std::uint8_t>() % (kMostFrames + 1);
    switch (operation % 16) {
      case 0:
      case 1:
      case 2:
        model.write(frames);
        break;
      case 3:
      case 4:
        model.reserve(frames);
        break;
      case 5:
      case 6:
        model.publish(frames);
        break;
      case 7:
      case 8:
        model.read(frames, false);
        break;
      case 9:
        model.read(frames, true);
        break;
      case 10:
        model.peek(frames);
        break;
      case 11:
        model.read_at(model.written() - frames, input.take<std::uint8_t>() % (kMostFrames + 1));
        break;
      case 12:
        model.add_reader(input);
        break;
      case 13:
        model.take_lost();
        break;
      case 14:
        if (frames == 0) model.reset();
        break;
      default:
        if (frames == kMostFrames) model.close();
        break;
    }
    model.check();
  }
  return 0;
}
