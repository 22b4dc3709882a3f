// The ring and its readers against deques of frame indices: any sequence of operations, and every count after each.
#include <deque>
#include <memory>
#include <vector>

#include "error.hpp"
#include "fuzz_input.hpp"
#include "ring_buffer.hpp"
#include "ring_reader.hpp"

namespace {

using fastring::fuzz::FuzzInput;
using namespace fastring;

constexpr SampleIndex kLast = std::numeric_limits<SampleIndex>::max();

// Unsigned, as a write that is refused may lie past the last index.
std::int16_t sample_of(std::uint64_t index, int channel) {
  return static_cast<std::int16_t>((index * 40503U + static_cast<unsigned>(channel) * 77U) >> 3);
}

struct ReaderModel {
  std::unique_ptr<RingReader> reader;
  std::deque<SampleIndex> unread;
  std::deque<SampleIndex> lost;  // not told yet
  std::size_t noticed = 0;       // of those, how many the reader has come upon
  std::int64_t read = 0;
  std::int64_t dropped = 0;
};

class RingModel {
 public:
  explicit RingModel(const RingConfig& config)
      : config_(config), ring_(config), written_(config.start_index), made_room_(config.start_index), base_(written_) {}

  void write(std::int64_t frames) {
    const auto audio = audio_from(written_, frames);
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
      const auto audio = audio_from(written_, frames);
      std::copy(audio.begin(), audio.end(), view_);
    }
    reserved_ = 0;
    FUZZ_CHECK(ring_.publish(frames) == (closed_ ? WriteStatus::kClosed : WriteStatus::kOk));
    if (!closed_) append(frames);
  }

  void add_reader(FuzzInput& input) {
    if (readers_.size() == 4) {
      gone_dropped_ += readers_.front().dropped;
      gone_read_ += readers_.front().read;
      readers_.erase(readers_.begin());
    }
    const SampleIndex oldest = held_.empty() ? written_ : held_.front();
    const SampleIndex start = std::min(oldest - 2, kLast - 50) + input.below(config_.capacity_frames + 4);
    const bool held = start >= oldest && start <= written_;
    ReaderModel model;
    try {
      model.reader = std::make_unique<RingReader>(ring_, start);
      FUZZ_CHECK(held);
    } catch (const Error& error) {
      FUZZ_CHECK(!held && error.code() == ErrorCode::kRangeLost);
      return;
    }
    for (const SampleIndex index : held_) {
      if (index >= start) model.unread.push_back(index);
    }
    readers_.push_back(std::move(model));
  }

  void read(std::int64_t frames, bool converted) {
    ReaderModel* model = pick(frames);
    if (model == nullptr) return;
    const std::int64_t count = std::min<std::int64_t>(frames, static_cast<std::int64_t>(model->unread.size()));
    if (converted) {
      std::vector<float> out(static_cast<std::size_t>(frames * config_.channels));
      const ReadResult result = model->reader->read_converted(out.data(), frames);
      check_frames(result, count, *model, [&](std::size_t i) { return static_cast<std::int16_t>(out[i] * 32768.0f); });
    } else {
      std::vector<std::int16_t> out(static_cast<std::size_t>(frames * config_.channels));
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
    const bool whole = view.frames == std::min<std::int64_t>(frames, static_cast<std::int64_t>(model->unread.size()));
    FUZZ_CHECK(whole || (view.start + view.frames) % config_.capacity_frames == 0);
    FUZZ_CHECK(model->reader->commit(view.frames) == 0);
    consume(*model, view.frames);
  }

  void read_at(SampleIndex start, std::int64_t frames) {
    std::vector<std::int16_t> out(static_cast<std::size_t>(frames * config_.channels));
    const SampleIndex oldest = held_.empty() ? written_ : held_.front();
    const bool held = start >= oldest && frames <= written_ - start;
    FUZZ_CHECK(ring_.read_at(start, out.data(), frames) == held);
    if (held) FUZZ_CHECK(out == audio_from(start, frames));
  }

  void reset() {
    ring_.reset();
    reserved_ = 0;
    held_.clear();
    base_ = written_;
    overflows_ = high_water_ = gone_dropped_ = gone_read_ = 0;
    for (ReaderModel& model : readers_) {
      model.unread.clear();
      model.lost.resize(model.noticed);
      model.dropped = model.read = 0;
    }
  }

  void close() {
    ring_.close();
    closed_ = true;
  }

  void take_lost() {
    for (ReaderModel& model : readers_) {
      LostRange range{};
      std::size_t told = 0;
      while (model.reader->take_lost(range)) {
        FUZZ_CHECK(range.frames > 0 && ++told <= RingReader::kMaxLostRanges);
        while (!model.lost.empty() && model.lost.front() < range.start) model.lost.pop_front();  // forgotten ones
        for (std::int64_t i = 0; i < range.frames; ++i) {
          FUZZ_CHECK(!model.lost.empty() && model.lost.front() == range.start + i);
          model.lost.pop_front();
        }
      }
      FUZZ_CHECK(model.lost.empty());
      model.noticed = 0;
    }
  }

  void check() const {
    const RingStats stats = ring_.stats();
    std::int64_t used = 0;
    std::int64_t dropped = gone_dropped_;
    std::int64_t read = gone_read_;
    for (const ReaderModel& model : readers_) {
      const auto unread = static_cast<std::int64_t>(model.unread.size());
      FUZZ_CHECK(model.reader->available() == unread);
      FUZZ_CHECK(model.reader->position() == (unread > 0 ? model.unread.front() : written_));
      used = std::max(used, unread);
      dropped += model.dropped;
      read += model.read;
    }
    FUZZ_CHECK(stats.used_frames == used && stats.dropped_frames == dropped && stats.total_read_frames == read);
    FUZZ_CHECK(stats.held_frames == static_cast<std::int64_t>(held_.size()));
    FUZZ_CHECK(stats.overflows == overflows_ && stats.high_water_frames == high_water_);
    FUZZ_CHECK(stats.total_written_frames == written_ - base_ && ring_.write_index() == written_);
    FUZZ_CHECK(ring_.oldest_index() == (held_.empty() ? written_ : held_.front()));
    FUZZ_CHECK(ring_.closed() == closed_ && ring_.reserved_frames() == reserved_);
  }

  [[nodiscard]] SampleIndex written() const { return written_; }

 private:
  [[nodiscard]] std::vector<std::int16_t> audio_from(SampleIndex start, std::int64_t frames) const {
    std::vector<std::int16_t> audio;
    for (std::int64_t f = 0; f < frames; ++f) {
      for (int c = 0; c < config_.channels; ++c)
        audio.push_back(sample_of(static_cast<std::uint64_t>(start) + static_cast<std::uint64_t>(f), c));
    }
    return audio;
  }

  // What becomes of a write of so many frames; if it is taken, what must go is gone afterwards.
  WriteStatus admit(std::int64_t frames) {
    if (closed_) return WriteStatus::kClosed;
    if (reserved_ > 0) return WriteStatus::kReserved;
    if (frames == 0) return WriteStatus::kOk;
    if (frames > std::numeric_limits<SampleIndex>::max() - written_) return WriteStatus::kIndexExhausted;
    if (written_ + frames <= made_room_) return WriteStatus::kOk;
    const SampleIndex keep = written_ + frames - config_.capacity_frames;
    const bool overflows = std::any_of(readers_.begin(), readers_.end(), [&](const ReaderModel& model) {
      return (model.unread.empty() ? written_ : model.unread.front()) < keep;
    });
    overflows_ += overflows ? 1 : 0;
    if (overflows && config_.overflow == OverflowPolicy::kReject) return WriteStatus::kFull;
    made_room_ = written_ + frames;
    drop_below(keep);
    return WriteStatus::kOk;
  }

  void append(std::int64_t frames) {
    for (std::int64_t i = 0; i < frames; ++i, ++written_) {
      held_.push_back(written_);
      for (ReaderModel& model : readers_) model.unread.push_back(written_);
    }
    drop_below(made_room_ - config_.capacity_frames);  // a write longer than the ring loses frames of its own
    if (frames == 0) return;
    for (const ReaderModel& model : readers_) {
      high_water_ = std::max(high_water_, static_cast<std::int64_t>(model.unread.size()));
    }
  }

  void drop_below(SampleIndex keep) {
    while (!held_.empty() && held_.front() < keep) held_.pop_front();
    for (ReaderModel& model : readers_) {
      while (!model.unread.empty() && model.unread.front() < keep) {
        model.lost.push_back(model.unread.front());
        model.unread.pop_front();
        ++model.dropped;
      }
    }
  }

  ReaderModel* pick(std::int64_t by) {
    return readers_.empty() ? nullptr : &readers_[static_cast<std::size_t>(by) % readers_.size()];
  }

  template <class Sample>
  void check_frames(const ReadResult& result, std::int64_t frames, const ReaderModel& model, Sample sample) const {
    FUZZ_CHECK(result.frames == frames);
    FUZZ_CHECK(result.start == (model.unread.empty() ? written_ : model.unread.front()));
    for (std::int64_t f = 0; f < frames; ++f) {
      for (int c = 0; c < config_.channels; ++c) {
        FUZZ_CHECK(sample(static_cast<std::size_t>(f * config_.channels + c)) ==
                   sample_of(static_cast<std::uint64_t>(result.start + f), c));
      }
    }
  }

  static void consume(ReaderModel& model, std::int64_t frames) {
    model.unread.erase(model.unread.begin(), model.unread.begin() + frames);
    model.read += frames;
    model.noticed = model.lost.size();
  }

  RingConfig config_;
  RingBuffer ring_;
  SampleIndex written_;
  SampleIndex made_room_;  // the highest end that room was made for
  SampleIndex base_;
  std::deque<SampleIndex> held_;
  std::vector<ReaderModel> readers_;
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
  RingModel model({1 + input.below(40), 1 + first % 3, SampleType::kInt16,
                   (first & 4) != 0 ? OverflowPolicy::kReject : OverflowPolicy::kDropOldest,
                   kStarts[(first >> 3) % 4]});
  while (!input.done()) {
    const auto operation = input.take<std::uint8_t>();
    const std::int64_t frames = input.take<std::uint8_t>() % 64;
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
        model.read_at(model.written() - frames, input.take<std::uint8_t>() % 64);
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
        if (frames == 63) model.close();
        break;
    }
    model.check();
  }
  return 0;
}
