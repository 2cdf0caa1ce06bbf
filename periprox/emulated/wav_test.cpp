#include "periprox/emulated/wav.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "periprox/emulated/declaration.hpp"

namespace periprox::emulated {
namespace {

class WavTest : public ::testing::Test {
 protected:
  ~WavTest() override { (void)::unlink(path.c_str()); }

  void put(const std::vector<std::byte>& bytes) const {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  std::string refusal() const {
    const auto wav = WavReader::open(path);
    return wav ? "opened" : wav.error().text();
  }

  std::string path = ::testing::TempDir() + "wav_test_" + std::to_string(::getpid()) + ".wav";
};

/// Two samples of one channel, 8000 Hz, 16 bits.
std::vector<std::byte> small_file() {
  return raw_bytes({'R',  'I',  'F', 'F', 40,   0,    0, 0, 'W', 'A', 'V', 'E',
                    'f',  'm',  't', ' ', 16,   0,    0, 0, 1,   0,   1,   0,
                    0x40, 0x1f, 0,   0,   0x80, 0x3e, 0, 0, 2,   0,   16,  0,
                    'd',  'a',  't', 'a', 4,    0,    0, 0, 1,   2,   3,   4});
}

TEST_F(WavTest, ReadsBackWhatItWrote) {
  const AudioFormat format{.rate = 44100, .channels = 2, .bits = 24};
  const std::vector<std::byte> samples(600'000, std::byte{0x5a});
  {
    const auto writer = WavWriter::create(path, format).value();
    EXPECT_TRUE(writer->append(Bytes(samples).first(100'002)));
    EXPECT_TRUE(writer->append(Bytes(samples).subspan(100'002)));
  }
  const auto reader = WavReader::open(path).value();
  EXPECT_EQ(reader->format(), format);
  EXPECT_EQ(reader->size(), samples.size());
  std::vector<std::byte> read(700'000);
  EXPECT_EQ(reader->read(0, read), samples.size());
  read.resize(samples.size());
  EXPECT_EQ(read, samples);
}

TEST_F(WavTest, WritesTheBytesOfTheStandard) {
  {
    const auto writer = WavWriter::create(path, {.rate = 8000, .channels = 1, .bits = 16}).value();
    EXPECT_TRUE(writer->append(raw_bytes({1, 2, 3, 4})));
  }
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto bytes = bytes_of_text(text);
  EXPECT_EQ(std::vector(bytes.begin(), bytes.end()), small_file());
}

TEST_F(WavTest, ReadsWhatIsThereWhenTheHeaderPromisesMore) {
  auto file = small_file();
  file[40] = std::byte{0xff};
  file.push_back(std::byte{5});  // Half a sample.
  put(file);
  EXPECT_EQ(WavReader::open(path).value()->size(), 4U);
}

TEST_F(WavTest, SkipsChunksThatItDoesNotKnow) {
  auto file = small_file();
  const auto list = raw_bytes({'L', 'I', 'S', 'T', 3, 0, 0, 0, 'a', 'b', 'c', 0});
  file.insert(file.begin() + 12, list.begin(), list.end());
  put(file);
  std::array<std::byte, 2> sample{};
  EXPECT_EQ(WavReader::open(path).value()->read(2, sample), 2U);
  EXPECT_EQ(sample[0], std::byte{3});
}

TEST_F(WavTest, RefusesWhatItCannotPlay) {
  put(raw_bytes({'R', 'I', 'F', 'F'}));
  EXPECT_THAT(refusal(), ::testing::HasSubstr("it is no WAV file"));
  auto floats = small_file();
  floats[20] = std::byte{3};
  put(floats);
  EXPECT_THAT(refusal(), ::testing::HasSubstr("it is not PCM of 16, 24 or 32 bits"));
  auto lying = small_file();
  lying[32] = std::byte{200};  // nBlockAlign
  put(lying);
  EXPECT_THAT(refusal(), ::testing::HasSubstr("it is not PCM"));
  auto cut = small_file();
  cut.resize(36);
  put(cut);
  EXPECT_THAT(refusal(), ::testing::HasSubstr("there are no samples in it"));
}

}  // namespace
}  // namespace periprox::emulated
