#include "periprox/emulated/wav.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <optional>
#include <utility>

#include "periprox/base/endian.hpp"
#include "periprox/emulated/file_access.hpp"

namespace periprox::emulated {
namespace {

constexpr std::uint16_t kPcm = 0x0001;
constexpr std::uint16_t kExtensible = 0xfffe;
constexpr std::size_t kBuffered = std::size_t{64} << 10;
/// A file whose samples come later than that is no music.
constexpr int kMostChunks = 1000;

using Tag = std::array<char, 4>;

struct ChunkHeader {
  Tag id{};
  le32 size{};
};
static_assert(sizeof(ChunkHeader) == 8);

/// WAVEFORMAT and, in WAVEFORMATEXTENSIBLE, the first bytes of the GUID that says what it is.
struct FormatChunk {
  le16 wFormatTag{kPcm};
  le16 nChannels{};
  le32 nSamplesPerSec{};
  le32 nAvgBytesPerSec{};
  le16 nBlockAlign{};
  le16 wBitsPerSample{};
};
static_assert(sizeof(FormatChunk) == 16);

struct FileHeader {
  ChunkHeader riff{.id = {'R', 'I', 'F', 'F'}};
  Tag wave = {'W', 'A', 'V', 'E'};
  ChunkHeader format_header{.id = {'f', 'm', 't', ' '}, .size = sizeof(FormatChunk)};
  FormatChunk format;
  ChunkHeader data{.id = {'d', 'a', 't', 'a'}};
};
static_assert(sizeof(FileHeader) == 44);

template <typename T>
std::optional<T> read_struct(int fd, std::uint64_t position) {
  std::array<std::byte, sizeof(T)> bytes{};
  if (read_at(fd, position, bytes) != bytes.size()) return std::nullopt;
  return read_as<T>(bytes);
}

/// The format of a "fmt " chunk at `position`; empty when it is not among ours.
std::optional<AudioFormat> read_format(int fd, std::uint64_t position) {
  const auto chunk = read_struct<FormatChunk>(fd, position);
  if (!chunk) return std::nullopt;
  // cbSize, wValidBitsPerSample and dwChannelMask stand before the GUID, which begins with the tag.
  constexpr std::uint64_t kSubFormat = sizeof(FormatChunk) + 8;
  const std::uint16_t tag =
      chunk->wFormatTag == kExtensible
          ? std::uint16_t{read_struct<le16>(fd, position + kSubFormat).value_or(le16{})}
          : std::uint16_t{chunk->wFormatTag};
  const std::uint16_t bits = chunk->wBitsPerSample;
  const bool sound = tag == kPcm && (bits == 16 || bits == 24 || bits == 32) &&
                     chunk->nChannels >= 1 && chunk->nChannels <= kMostChannels &&
                     chunk->nSamplesPerSec >= kLowestRate && chunk->nSamplesPerSec <= kHighestRate;
  if (!sound) return std::nullopt;
  const AudioFormat format{.rate = chunk->nSamplesPerSec,
                           .channels = static_cast<std::uint8_t>(chunk->nChannels),
                           .bits = static_cast<std::uint8_t>(bits)};
  return chunk->nBlockAlign == format.frame_bytes() ? std::optional(format) : std::nullopt;
}

std::uint64_t size_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)
             ? static_cast<std::uint64_t>(status.st_size)
             : 0;
}

}  // namespace

Result<std::unique_ptr<WavReader>> WavReader::open(const std::string& path) {
  const auto what = "cannot play " + path;
  auto wav = std::unique_ptr<WavReader>(new WavReader);
  wav->fd_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!wav->fd_) return tl::make_unexpected(errno_error(errno, what));
  const int fd = wav->fd_.get();
  const auto riff = read_struct<ChunkHeader>(fd, 0);
  const auto wave = read_struct<Tag>(fd, sizeof(ChunkHeader));
  if (!riff || riff->id != FileHeader{}.riff.id || wave != FileHeader{}.wave) {
    return fail(Error::Kind::Usage, what, "it is no WAV file");
  }
  std::optional<AudioFormat> format;
  std::uint64_t position = sizeof(ChunkHeader) + sizeof(Tag);
  for (int i = 0; i < kMostChunks; ++i) {
    const auto chunk = read_struct<ChunkHeader>(fd, position);
    if (!chunk) break;
    position += sizeof(ChunkHeader);
    if (chunk->id == FileHeader{}.format_header.id) {
      format = read_format(fd, position);
      if (!format) {
        return fail(Error::Kind::Usage, what,
                    "it is not PCM of 16, 24 or 32 bits, 1 to 8 channels, 4000 to 192000 Hz");
      }
    }
    if (chunk->id == FileHeader{}.data.id && format) {
      // A recorder that was killed leaves a size that is too large, or none at all.
      const auto file = size_of(fd);
      const std::uint64_t there = file > position ? file - position : 0;
      const std::uint64_t size = chunk->size;
      wav->format_ = *format;
      wav->start_ = position;
      wav->size_ = std::min(size, there) / format->frame_bytes() * format->frame_bytes();
      return wav;
    }
    position += std::uint64_t{chunk->size} + chunk->size % 2;
  }
  return fail(Error::Kind::Usage, what, "there are no samples in it");
}

std::size_t WavReader::read(std::uint64_t position, MutableBytes into) const {
  if (position >= size_) return 0;
  const auto count = std::min<std::uint64_t>(into.size(), size_ - position);
  return read_at(fd_.get(), start_ + position, into.first(static_cast<std::size_t>(count)));
}

Result<std::unique_ptr<WavWriter>> WavWriter::create(const std::string& path,
                                                     const AudioFormat& format) {
  const auto what = "cannot write " + path;
  auto wav = std::unique_ptr<WavWriter>(new WavWriter);
  wav->format_ = format;
  constexpr mode_t kMode = 0644;
  wav->fd_ = UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, kMode));
  if (!wav->fd_) return tl::make_unexpected(errno_error(errno, what));
  if (!wav->flush()) return tl::make_unexpected(errno_error(errno, what));
  return wav;
}

bool WavWriter::append(Bytes samples) {
  buffer_.insert(buffer_.end(), samples.begin(), samples.end());
  return (buffer_.size() < kBuffered || flush()) && !failed_;
}

bool WavWriter::flush() {
  if (!failed_) failed_ = !write_at(fd_.get(), sizeof(FileHeader) + written_, buffer_);
  if (failed_) {
    buffer_.clear();
    return false;
  }
  written_ += buffer_.size();
  buffer_.clear();

  // What is beyond 4 GiB has no number in a header; readers take such a file to its end.
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  const auto bounded = [&](std::uint64_t size) {
    return static_cast<std::uint32_t>(std::min(size, kMost));
  };
  FileHeader header;
  header.riff.size = bounded(written_ + sizeof(FileHeader) - sizeof(ChunkHeader));
  header.format.nChannels = format_.channels;
  header.format.nSamplesPerSec = format_.rate;
  header.format.nAvgBytesPerSec = format_.rate * format_.frame_bytes();
  header.format.nBlockAlign = static_cast<std::uint16_t>(format_.frame_bytes());
  header.format.wBitsPerSample = format_.bits;
  header.data.size = bounded(written_);
  failed_ = !write_at(fd_.get(), 0, bytes_of(header));
  return !failed_;
}

}  // namespace periprox::emulated
