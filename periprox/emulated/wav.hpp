// WAV files of plain PCM: what an emulated speaker plays goes into one, what an emulated microphone
// hears comes out of one (Multimedia Programming Interface and Data Specifications 1.0, "WAVE").
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "periprox/base/bytes.hpp"
#include "periprox/base/result.hpp"
#include "periprox/base/unique_fd.hpp"

namespace periprox::emulated {

/// Interleaved samples, signed, little endian: the same in WAV files of 16 bits and more as in USB
/// Audio's PCM format.
struct AudioFormat {
  std::uint32_t rate = 48000;  ///< Samples a second.
  std::uint8_t channels = 2;
  std::uint8_t bits = 16;  ///< 16, 24 or 32.

  /// Bytes of one sample of all channels.
  [[nodiscard]] std::uint32_t frame_bytes() const { return channels * bits / 8U; }
  friend bool operator==(const AudioFormat&, const AudioFormat&) = default;
};

inline constexpr std::uint32_t kLowestRate = 4000;
inline constexpr std::uint32_t kHighestRate = 192000;
inline constexpr std::uint8_t kMostChannels = 8;

/// A WAV file that is read at any position.
class WavReader {
 public:
  /// Fails for what is no WAV file of PCM within the bounds above.
  [[nodiscard]] static Result<std::unique_ptr<WavReader>> open(const std::string& path);

  [[nodiscard]] const AudioFormat& format() const { return format_; }
  /// Bytes of samples; whole ones.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Reads samples from byte `position` on; returns how many bytes there were.
  [[nodiscard]] std::size_t read(std::uint64_t position, MutableBytes into) const;

 private:
  WavReader() = default;

  UniqueFd fd_;
  AudioFormat format_;
  std::uint64_t start_ = 0;
  std::uint64_t size_ = 0;
};

/// A WAV file that grows. Its header is right whenever flush() has returned.
class WavWriter {
 public:
  /// Makes the file, or empties it.
  [[nodiscard]] static Result<std::unique_ptr<WavWriter>> create(const std::string& path,
                                                                 const AudioFormat& format);
  ~WavWriter() { (void)flush(); }
  WavWriter(const WavWriter&) = delete;
  WavWriter& operator=(const WavWriter&) = delete;

  /// Appends samples. False when they could not be written, and then for good.
  [[nodiscard]] bool append(Bytes samples);
  [[nodiscard]] bool flush();

 private:
  WavWriter() = default;

  UniqueFd fd_;
  AudioFormat format_;
  std::vector<std::byte> buffer_;
  std::uint64_t written_ = 0;  // Bytes of samples in the file.
  bool failed_ = false;
};

}  // namespace periprox::emulated
