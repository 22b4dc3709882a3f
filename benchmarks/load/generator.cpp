// A crowd of voice clients in one thread: so many WebSockets, each sending audio in real time, and a clock on each.
//
//     generator HOST PORT PATH STREAMS MESSAGE_BYTES PERIOD_MS WARM_UP_S SECONDS PROBE_MS AUDIO_FILE
//
// Connects (PATH may hold one %d, the stream's number), says {"connected": n}, and waits for a line on its input. Then
// the messages of all streams are due evenly spread over each period, message k of stream i at (k + i / STREAMS)
// periods: it sends what is due and reads what came. Every PROBE_MS a stream sends {"type":"ping"} right behind an
// audio message; the answer comes when that message has been taken in, so the time between is the latency that the
// server adds. After the warm-up, and after the measured seconds, it waits until the server has taken in everything,
// says {"started": ...} and waits for another line, and says {"ended": ...}: the CPU time that the server uses between
// the two is that of the messages sent between them, however busy the machine is. Then come its figures: latencies, its
// own CPU time, and how late it was itself (a generator that is late measures itself). At the end, and all the time if
// SECONDS is 0, it holds the connections until its input ends.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Ns = std::int64_t;
constexpr Ns kSecond = 1'000'000'000;
constexpr unsigned char kMask[4] = {0x37, 0xfa, 0x21, 0x3d};

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

Ns now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * kSecond + t.tv_nsec;
}

Ns cpu_time() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * kSecond + t.tv_nsec;
}

std::string header(unsigned opcode, std::size_t length) {
  std::string out{static_cast<char>(0x80U | opcode)};
  if (length < 126) {
    out += static_cast<char>(0x80U | length);
  } else if (length < 65536) {
    out += static_cast<char>(0x80U | 126U);
    out += static_cast<char>(length >> 8U);
    out += static_cast<char>(length & 255U);
  } else {
    throw std::runtime_error("messages are below 64 KiB");
  }
  out.append(reinterpret_cast<const char*>(kMask), 4);
  return out;
}

void mask(std::string& data) {
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(data[i] ^ kMask[i & 3U]);
}

std::string masked_frame(unsigned opcode, std::string payload) {
  const std::string head = header(opcode, payload.size());
  mask(payload);
  return head + payload;
}

struct Stream {
  int fd = -1;
  std::string in;      // bytes of a frame that is not whole yet
  std::string out;     // what the socket had no room for
  std::size_t at = 0;  // in the audio, bytes
  Ns probed = 0;       // when the probe under way was sent; 0: none is
  Ns next_probe = 0;
};

struct Options {
  std::string host, path;
  int port, streams;
  std::size_t message_bytes;
  Ns period, warm_up, measured, probe;
  std::string audio;
};

class Crowd {
 public:
  explicit Crowd(Options options) : options_(std::move(options)), streams_(static_cast<std::size_t>(options_.streams)) {
    poll_ = epoll_create1(0);
    timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    audio_head_ = header(2, options_.message_bytes);
    ping_ = masked_frame(1, R"({"type":"ping"})");
    mask(options_.audio);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = kTimer;
    epoll_ctl(poll_, EPOLL_CTL_ADD, timer_, &event);
  }

  void connect_all() {
    for (std::size_t i = 0; i < streams_.size(); ++i) connect_one(i);
    std::printf("{\"connected\": %zu}\n", streams_.size());
    std::fflush(stdout);
  }

  void run() {
    stretch(options_.warm_up);
    settle();
    say("started");
    if (!told()) return;
    recording_ = true;
    const Ns cpu = cpu_time();
    stretch(options_.measured);
    settle();
    say("ended");
    recording_ = false;
    report(cpu_time() - cpu);
  }

  // Waits for a line of the caller, who may look at the server meanwhile; false if there will be none.
  static bool told() {
    char line[16];
    return std::fgets(line, sizeof line, stdin) != nullptr;
  }

 private:
  static constexpr std::uint64_t kTimer = ~std::uint64_t{0};
  static constexpr Ns kLast = -1;  // a probe that only tells that all is taken in, in no hurry

  static void say(const char* what) {
    std::printf("{\"%s\": %lld}\n", what, static_cast<long long>(now()));
    std::fflush(stdout);
  }

  // Sends in real time for so long.
  void stretch(Ns length) {
    const Ns start = now() + kSecond / 50, until = start + length;
    const auto count = static_cast<Ns>(streams_.size());
    for (Ns i = 0; i < count; ++i)
      streams_[static_cast<std::size_t>(i)].next_probe = start + options_.probe * i / count;
    for (Ns n = 0;; ++n) {
      const Ns due = start + n * options_.period / count;
      if (due >= until) return;
      Ns at = now();
      while (at < due) {
        serve(due);
        at = now();
      }
      if ((n & 15) == 0) serve(0);
      if (recording_) {
        late_.push_back(at - due);
        ++sent_;
      }
      send_message(streams_[static_cast<std::size_t>(n % count)], at);
    }
  }

  // Waits until the server has taken in all that was sent, so that none of its work lies beyond what is measured.
  void settle() {
    for (Stream& stream : streams_) {
      if (stream.probed != 0) continue;
      stream.probed = kLast;
      send(stream, ping_);
    }
    const Ns patience = now() + 10 * kSecond;
    const auto open = [](const Stream& stream) { return stream.probed != 0; };
    while (now() < patience && std::any_of(streams_.begin(), streams_.end(), open)) serve(now() + kSecond / 50);
  }

  void connect_one(std::size_t index) {
    Stream& stream = streams_[index];
    stream.fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(options_.port));
    inet_pton(AF_INET, options_.host.c_str(), &to.sin_addr);
    if (connect(stream.fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) fail("connect");
    const int yes = 1;
    setsockopt(stream.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    std::string path = options_.path;
    if (const auto at = path.find("%d"); at != std::string::npos) path.replace(at, 2, std::to_string(index));
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + options_.host + ":" +
                                std::to_string(options_.port) +
                                "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    if (write(stream.fd, request.data(), request.size()) != static_cast<ssize_t>(request.size())) fail("handshake");
    while (stream.in.find("\r\n\r\n") == std::string::npos) {
      char block[4096];
      const ssize_t count = read(stream.fd, block, sizeof block);
      if (count <= 0) fail("handshake");
      stream.in.append(block, static_cast<std::size_t>(count));
    }
    if (stream.in.compare(0, 12, "HTTP/1.1 101") != 0) throw std::runtime_error("refused: " + stream.in.substr(0, 400));
    stream.in.erase(0, stream.in.find("\r\n\r\n") + 4);
    // Each stream is elsewhere in the audio, at a whole message.
    const std::size_t messages = options_.audio.size() / options_.message_bytes;
    stream.at = (index * 7919 % messages) * options_.message_bytes;
    fcntl(stream.fd, F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    if (epoll_ctl(poll_, EPOLL_CTL_ADD, stream.fd, &event) != 0) fail("epoll_ctl");
  }

  // Reads what came, until `due`; 0: without waiting.
  void serve(Ns due) {
    if (due != 0) {
      itimerspec spec{};
      spec.it_value = {due / kSecond, due % kSecond};
      timerfd_settime(timer_, TFD_TIMER_ABSTIME, &spec, nullptr);
    }
    epoll_event events[256];
    const int count = epoll_wait(poll_, events, 256, due == 0 ? 0 : -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == kTimer) {
        std::uint64_t expired = 0;
        if (read(timer_, &expired, sizeof expired) < 0 && errno != EAGAIN) fail("timer");
        continue;
      }
      Stream& stream = streams_[events[i].data.u64];
      receive(stream);
    }
  }

  void receive(Stream& stream) {
    char block[65536];
    const ssize_t count = read(stream.fd, block, sizeof block);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) throw std::runtime_error("the server hung up: " + stream.in);
    const Ns at = now();
    stream.in.append(block, static_cast<std::size_t>(count));
    std::size_t position = 0;
    while (stream.in.size() - position >= 2) {
      const auto* byte = reinterpret_cast<const unsigned char*>(stream.in.data()) + position;
      std::size_t length = byte[1] & 0x7fU, head = 2;
      if (length == 126) {
        if (stream.in.size() - position < 4) break;
        length = (static_cast<std::size_t>(byte[2]) << 8U) | byte[3];
        head = 4;
      }
      if (stream.in.size() - position < head + length) break;
      take(stream, byte[0] & 0x0fU, std::string_view(stream.in).substr(position + head, length), at);
      position += head + length;
    }
    stream.in.erase(0, position);
  }

  void take(Stream& stream, unsigned opcode, std::string_view payload, Ns at) {
    if (opcode == 9) {
      send(stream, masked_frame(10, std::string(payload)));
      return;
    }
    if (opcode == 8) throw std::runtime_error("closed: " + std::string(payload.substr(2)));
    if (recording_) ++received_;
    if (payload.find("\"final\"") != payload.npos && recording_) ++finals_;
    if (payload.find("\"error\"") != payload.npos) ++errors_;
    if (stream.probed != 0 && payload.find("\"pong\"") != payload.npos) {
      if (recording_ && stream.probed != kLast) latency_.push_back(at - stream.probed);
      stream.probed = 0;
    }
  }

  void send_message(Stream& stream, Ns at) {
    std::string frames = audio_head_;
    frames.append(options_.audio, stream.at, options_.message_bytes);
    stream.at += options_.message_bytes;
    if (stream.at + options_.message_bytes > options_.audio.size()) stream.at = 0;
    if (stream.probed == 0 && at >= stream.next_probe) {
      frames += ping_;
      stream.probed = at;
      while (stream.next_probe <= at) stream.next_probe += options_.probe;
    }
    send(stream, frames);
  }

  void send(Stream& stream, std::string_view frames) {
    stream.out += frames;
    const ssize_t count = write(stream.fd, stream.out.data(), stream.out.size());
    if (count < 0 && errno != EAGAIN) {
      const int error = errno;
      receive(stream);  // tells why, if the server said so
      errno = error;
      fail("send");
    }
    if (count > 0) stream.out.erase(0, static_cast<std::size_t>(count));
    if (!stream.out.empty()) ++blocked_;
  }

  static double ms(std::vector<Ns>& times, double share) {
    if (times.empty()) return -1.0;
    const auto at = times.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(times.size() - 1));
    std::nth_element(times.begin(), at, times.end());
    return static_cast<double>(*at) / 1e6;
  }

  void report(Ns cpu) {
    std::size_t open = 0;
    for (const Stream& stream : streams_) {
      if (stream.probed == 0) continue;
      ++open;
      if (stream.probed != kLast) latency_.push_back(now() - stream.probed);  // at least
    }
    std::printf(
        "{\"sent\": %zu, \"received\": %zu, \"finals\": %zu, \"errors\": %zu, \"blocked\": %zu, \"unanswered\": %zu, "
        "\"probes\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"worst_ms\": %.3f, \"late_p99_ms\": %.3f, "
        "\"cpu_s\": %.3f}\n",
        sent_, received_, finals_, errors_, blocked_, open, latency_.size(), ms(latency_, 0.5), ms(latency_, 0.99),
        ms(latency_, 1.0), ms(late_, 0.99), static_cast<double>(cpu) / 1e9);
    std::fflush(stdout);
  }

  Options options_;
  std::vector<Stream> streams_;
  int poll_ = -1, timer_ = -1;
  std::string audio_head_, ping_;
  bool recording_ = false;
  std::vector<Ns> latency_, late_;
  std::size_t sent_ = 0, received_ = 0, finals_ = 0, errors_ = 0, blocked_ = 0;
};

std::string file_of(const char* path) {
  std::FILE* file = std::fopen(path, "rb");
  if (file == nullptr) fail(path);
  std::string all;
  char block[65536];
  for (std::size_t count = 0; (count = std::fread(block, 1, sizeof block, file)) > 0;) all.append(block, count);
  std::fclose(file);
  return all;
}

}  // namespace

int main(int count, char** words) {
  if (count != 11) {
    std::fprintf(stderr, "generator HOST PORT PATH STREAMS BYTES PERIOD_MS WARM_UP_S SECONDS PROBE_MS AUDIO_FILE\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);  // a server that hangs up is an error with a text
  try {
    const auto ns = [&](int i, double unit) { return static_cast<Ns>(std::atof(words[i]) * unit); };
    Crowd crowd({words[1], words[3], std::atoi(words[2]), std::atoi(words[4]),
                 static_cast<std::size_t>(std::atoll(words[5])), ns(6, 1e6), ns(7, 1e9), ns(8, 1e9), ns(9, 1e6),
                 file_of(words[10])});
    crowd.connect_all();
    const bool go = Crowd::told();
    if (go && std::atof(words[8]) > 0) crowd.run();
    while (go && Crowd::told()) {
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "generator: %s\n", error.what());
    return 1;
  }
}
