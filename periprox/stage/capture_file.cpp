#include "periprox/stage/capture_file.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <limits>
#include <utility>

namespace periprox::stage {
namespace {

constexpr auto kLongestNap = std::chrono::microseconds(20'000);
constexpr auto kShortestNap = std::chrono::microseconds(500);
/// Bytes of a batch: a sixteenth of the buffer.
constexpr std::size_t kBatch = CaptureBuffer::kDefaultCapacity / 16;
constexpr std::size_t kMuch = CaptureBuffer::kDefaultCapacity / 4;
constexpr auto kPatience = std::chrono::seconds(2);
constexpr auto kStep = std::chrono::milliseconds(5);

std::uint64_t calendar_now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

/// How long to sleep so that about a batch comes, when `bytes` came during the last nap.
std::chrono::microseconds next_nap(std::chrono::microseconds nap, std::size_t bytes) {
  if (bytes > kBatch) return std::max(nap / 2, kShortestNap);
  if (bytes < kBatch / 4) return std::min(nap * 2, kLongestNap);
  return nap;
}

/// SCHED_BATCH asks the kernel not to interrupt other threads just because this one wakes up.
void set_policy(int policy) {
  const sched_param none{};
  static_cast<void>(::pthread_setschedparam(::pthread_self(), policy, &none));
}

}  // namespace

std::string older_path(const std::string& path, std::uint32_t age) {
  const auto name = path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1;
  auto dot = path.find('.', name == path.size() ? name : name + 1);
  if (dot == std::string::npos) dot = path.size();
  return path.substr(0, dot) + "." + std::to_string(age) + path.substr(dot);
}

Result<std::unique_ptr<CaptureFile>> CaptureFile::open(CaptureFileOptions options,
                                                       std::function<void(Error)> failed) {
  std::unique_ptr<CaptureFile> file(new CaptureFile(std::move(options), std::move(failed), {}));
  auto output = CaptureOutput::open(file->options_.path, file->give_up_);
  if (!output) return forward_error(output);
  file->start(std::move(*output));
  return file;
}

std::unique_ptr<CaptureFile> CaptureFile::stream(UniqueFd fd, std::string name,
                                                 std::function<void()> ended) {
  std::unique_ptr<CaptureFile> file(new CaptureFile(
      {.path = std::move(name)}, [](const Error&) {}, std::move(ended)));
  file->start(CaptureOutput::stream(std::move(fd), file->options_.path, file->give_up_));
  return file;
}

CaptureFile::CaptureFile(CaptureFileOptions options, std::function<void(Error)> failed,
                         std::function<void()> ended)
    : options_(std::move(options)), failed_(std::move(failed)), on_ended_(std::move(ended)) {}

void CaptureFile::start(std::unique_ptr<CaptureOutput> output) {
  output_ = std::move(output);
  thread_ = std::thread([this] { run(); });
}

CaptureFile::~CaptureFile() {
  if (!thread_.joinable()) return;
  buffer_.stop();
  for (auto waited = kStep; !ended_.load() && waited < kPatience; waited += kStep)
    std::this_thread::sleep_for(kStep);
  give_up_.store(true);
  thread_.join();
}

void CaptureFile::run() {
  set_policy(SCHED_BATCH);
  auto nap = kLongestNap;
  auto result = write(wire::pcapng::encode_section("PeriProx"));
  while (result && buffer_.wait(heads_written_)) {
    std::size_t bytes = 0;
    while (result) {
      const auto blocks = buffer_.front();
      result = write_new_heads();
      if (!result || blocks.empty()) break;
      result = write_blocks(blocks);
      buffer_.consume(blocks.size());
      bytes += blocks.size();
    }
    if (result) result = output_->flush();
    nap = next_nap(nap, bytes);
    // Modesty ends where records would be lost by it.
    if (bytes > kMuch) set_policy(SCHED_OTHER);
    if (!buffer_.stopped()) std::this_thread::sleep_for(nap);
  }
  if (result) result = write_new_heads();
  if (result) result = write(buffer_.statistics(calendar_now()));
  if (result) result = output_->finish();
  if (!result) failed_(result.error());
  if (on_ended_) on_ended_();
  // Nobody can be told any more, but whoever captures must not find the buffer full for ever.
  while (!result && buffer_.wait(std::numeric_limits<std::size_t>::max())) {
    for (auto blocks = buffer_.front(); !blocks.empty(); blocks = buffer_.front())
      buffer_.consume(blocks.size());
    if (!buffer_.stopped()) std::this_thread::sleep_for(kShortestNap);
  }
  ended_.store(true);
}

Result<void> CaptureFile::write_new_heads() {
  const auto heads = buffer_.heads(heads_written_);
  heads_written_ += heads.size();
  return heads.empty() ? Result<void>{} : write(heads);
}

Result<void> CaptureFile::write_blocks(Bytes blocks) {
  if (options_.file_size == 0) return write(blocks);
  while (!blocks.empty()) {
    std::size_t fits = 0;
    while (fits < blocks.size()) {
      const auto head = read_as<wire::pcapng::BlockHead>(blocks.subspan(fits)).value();
      const bool is_full = file_bytes_ + fits + head.total_length > options_.file_size;
      // A file has at least one block, however small the limit.
      if (is_full && has_blocks_) break;
      fits += head.total_length;
      has_blocks_ = true;
    }
    if (fits > 0) {
      if (auto done = write(blocks.first(fits)); !done) return done;
    }
    blocks = blocks.subspan(fits);
    if (blocks.empty()) break;
    if (auto done = begin_next_file(); !done) return done;
  }
  return {};
}

Result<void> CaptureFile::begin_next_file() {
  if (auto done = write(buffer_.statistics(calendar_now())); !done) return done;
  if (auto done = output_->finish(); !done) return done;
  output_.reset();
  for (auto age = options_.files - 1; age > 0; --age) {
    const auto from = age == 1 ? options_.path : older_path(options_.path, age - 1);
    // One that is not there yet is no mistake.
    static_cast<void>(std::rename(from.c_str(), older_path(options_.path, age).c_str()));
  }
  auto output = CaptureOutput::open(options_.path, give_up_);
  if (!output) return forward_error(output);
  output_ = std::move(*output);
  file_bytes_ = 0;
  heads_written_ = 0;
  has_blocks_ = false;
  if (auto done = write(wire::pcapng::encode_section("PeriProx")); !done) return done;
  return write_new_heads();
}

Result<void> CaptureFile::write(Bytes bytes) {
  file_bytes_ += bytes.size();
  return output_->write(bytes);
}

}  // namespace periprox::stage
