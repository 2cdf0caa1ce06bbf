#include "periprox/emulated/go_temp_commands.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "periprox/base/endian.hpp"

namespace periprox::emulated {
namespace {

// SKIP_CMD_ID_... of the SDK.
enum class Command : std::uint8_t {
  GetStatus = 0x10,
  WriteMemory1 = 0x11,
  WriteMemory6 = 0x16,
  ReadMemory = 0x17,
  StartMeasurements = 0x18,
  StopMeasurements = 0x19,
  Init = kGoTempInit,
  SetMeasurementPeriod = 0x1b,
  GetMeasurementPeriod = 0x1c,
  SetLedState = 0x1d,
  GetLedState = 0x1e,
  GetSerialNumber = 0x20,
};

// SKIP_STATUS_...
constexpr std::uint8_t kSuccess = 0;
constexpr std::uint8_t kNotSupported = 0x31;
constexpr std::uint8_t kCannotChangePeriodWhileCollecting = 0x34;
constexpr std::uint8_t kInvalidParameter = 0x36;

// The header of a response: its type, flags, and in bits 0-2 how many bytes of the packet count.
constexpr std::uint8_t kResponse = 0x40;
constexpr std::uint8_t kInitResponse = 0x80;
constexpr std::uint8_t kErrorFlag = 0x20;
constexpr std::uint8_t kLastPacket = 0x10;
constexpr std::uint8_t kFirstPacket = 0x08;
constexpr std::size_t kMaxPayload = 7;

constexpr auto kTick = std::chrono::microseconds(128);
constexpr std::uint8_t kVersionMajor = 0x01;  // BCD: 1.53
constexpr std::uint8_t kVersionMinor = 0x53;
constexpr std::uint8_t kManufactureWeek = 0x01;  // BCD
constexpr std::uint8_t kManufactureYear = 0x06;  // BCD

/// A response in one packet; the command's number is the first byte of its payload.
std::vector<GoTempPacket> respond(std::uint8_t type, std::uint8_t command,
                                  std::initializer_list<std::uint8_t> payload) {
  GoTempPacket packet{};
  packet[0] = static_cast<std::uint8_t>(type | kFirstPacket | kLastPacket | (payload.size() + 1));
  packet[1] = command;
  std::copy(payload.begin(), payload.end(), packet.begin() + 2);
  return {packet};
}

std::vector<GoTempPacket> succeed(std::uint8_t command) {
  return respond(kResponse, command, {kSuccess});
}
std::vector<GoTempPacket> refuse(std::uint8_t command, std::uint8_t status) {
  return respond(kResponse | kErrorFlag, command, {status});
}

/// A response whose payload spreads over several packets.
std::vector<GoTempPacket> respond_long(std::uint8_t command, std::span<const std::uint8_t> data) {
  std::vector<std::uint8_t> payload{command};
  payload.insert(payload.end(), data.begin(), data.end());
  std::vector<GoTempPacket> packets;
  for (std::size_t at = 0; at < payload.size(); at += kMaxPayload) {
    const auto count = std::min(kMaxPayload, payload.size() - at);
    const bool is_last = at + count == payload.size();
    GoTempPacket packet{};
    packet[0] = static_cast<std::uint8_t>(kResponse | (at == 0 ? kFirstPacket : 0) |
                                          (is_last ? kLastPacket : 0) | count);
    std::copy_n(payload.begin() + static_cast<std::ptrdiff_t>(at), count, packet.begin() + 1);
    packets.push_back(packet);
  }
  return packets;
}

std::vector<GoTempPacket> write_memory(const GoTempPacket& command, GoTempState& state) {
  const std::size_t count = command[0] & 7U;
  const std::size_t address = command[1];
  if (address + count > state.memory.size()) return refuse(command[0], kInvalidParameter);
  std::copy_n(command.begin() + 2, count, state.memory.begin() + static_cast<int>(address));
  return succeed(command[0]);
}

std::vector<GoTempPacket> read_memory(const GoTempPacket& command, const GoTempState& state) {
  const std::size_t address = command[1];
  const std::size_t count = command[2];
  if (count == 0 || address + count > state.memory.size()) {
    return refuse(command[0], kInvalidParameter);
  }
  return respond_long(command[0], std::span(state.memory).subspan(address, count));
}

std::vector<GoTempPacket> init(GoTempState& state) {
  state.measuring = false;
  state.period = state.default_period;
  state.led_color = 0;
  state.led_brightness = GoTempState{}.led_brightness;
  return respond(kInitResponse, kGoTempInit, {kSuccess});
}

std::vector<GoTempPacket> set_period(const GoTempPacket& command, GoTempState& state) {
  const auto ticks = *read_as<le32>(std::as_bytes(std::span(command)).subspan(1));
  if (ticks == 0) return refuse(command[0], kInvalidParameter);
  if (state.measuring) return refuse(command[0], kCannotChangePeriodWhileCollecting);
  state.period = kTick * static_cast<std::int64_t>(ticks);
  return succeed(command[0]);
}

std::uint8_t byte_of(std::uint32_t value, int place) {
  return static_cast<std::uint8_t>(value >> (8 * place));
}

/// Writes fields into the sensor record one after the other.
class RecordWriter {
 public:
  explicit RecordWriter(std::span<std::uint8_t> record) : record_(record) {}

  void byte(std::uint8_t value) { record_[at_++] = value; }
  void text(std::string_view value, std::size_t width) {
    std::copy_n(value.begin(), std::min(value.size(), width), record_.begin() + at_);
    at_ += static_cast<std::ptrdiff_t>(width);
  }
  void word(std::uint16_t value) {
    byte(static_cast<std::uint8_t>(value & 0xff));
    byte(static_cast<std::uint8_t>(value >> 8));
  }
  void real(float value) {
    std::uint32_t bits = 0;
    static_assert(sizeof(bits) == sizeof(value));
    std::memcpy(&bits, &value, sizeof(bits));
    for (int i = 0; i < 4; ++i) byte(byte_of(bits, i));
  }

 private:
  std::span<std::uint8_t> record_;
  std::ptrdiff_t at_ = 0;
};

}  // namespace

std::array<std::uint8_t, 128> go_temp_memory(std::uint32_t serial_counter) {
  constexpr std::uint8_t kSensorGoTemp = 60;
  constexpr std::uint8_t kLinear = 1;
  std::array<std::uint8_t, 128> memory{};
  RecordWriter record(memory);
  record.byte(1);  // MemMapVersion
  record.byte(kSensorGoTemp);
  for (int i = 0; i < 3; ++i) record.byte(byte_of(serial_counter, i));
  record.byte(kManufactureYear);
  record.byte(kManufactureWeek);
  record.byte(0);  // ManufacturerID
  record.text("Temperature", 20);
  record.text("Temp", 12);
  record.byte(0);     // Uncertainty
  record.byte(0x33);  // SignificantFigures
  record.byte(1);     // CurrentRequirement in mA
  record.byte(1);     // Averaging
  record.real(0.5F);  // MinSamplePeriod in s
  record.real(0.5F);  // TypSamplePeriod in s
  record.word(360);   // TypNumberofSamples
  record.word(0);     // WarmUpTime in s
  record.byte(1);     // ExperimentType
  record.byte(2);     // OperationType: analog, 5 V
  record.byte(kLinear);
  record.real(-20.0F);  // YminValue
  record.real(125.0F);  // YmaxValue
  record.byte(10);      // Yscale
  record.byte(0);       // HighestValidCalPageIndex
  record.byte(0);       // ActiveCalPage
  // The SDK makes volts of a raw number, raw * 2.5 / 32768 + 2.5, and this line makes degrees of
  // volts: b * volts + a is raw / 128 again.
  record.real(-256.0F);
  record.real(102.4F);
  record.real(0.0F);
  record.text("(C)", 7);
  // The last byte makes the XOR of all the others.
  for (std::size_t i = 0; i + 1 < memory.size(); ++i) memory.back() ^= memory[i];
  return memory;
}

std::vector<GoTempPacket> run_go_temp_command(Bytes bytes, GoTempState& state) {
  GoTempPacket command{};
  std::memcpy(command.data(), bytes.data(), std::min(bytes.size(), command.size()));
  const auto id = command[0];
  if (id >= static_cast<std::uint8_t>(Command::WriteMemory1) &&
      id <= static_cast<std::uint8_t>(Command::WriteMemory6)) {
    return write_memory(command, state);
  }
  switch (static_cast<Command>(id)) {
    case Command::GetStatus:
      return respond(kResponse, id, {kSuccess, kVersionMinor, kVersionMajor});
    case Command::ReadMemory:
      return read_memory(command, state);
    case Command::StartMeasurements:
      state.measuring = true;
      return succeed(id);
    case Command::StopMeasurements:
      state.measuring = false;
      return succeed(id);
    case Command::Init:
      return init(state);
    case Command::SetMeasurementPeriod:
      return set_period(command, state);
    case Command::GetMeasurementPeriod: {
      const auto ticks = static_cast<std::uint32_t>(
          std::min<Duration::rep>((state.period + kTick / 2) / kTick, 0xffffffff));
      return respond(kResponse, id,
                     {byte_of(ticks, 0), byte_of(ticks, 1), byte_of(ticks, 2), byte_of(ticks, 3)});
    }
    case Command::SetLedState:
      state.led_color = command[1];
      state.led_brightness = command[2];
      return succeed(id);
    case Command::GetLedState:
      return respond(kResponse, id, {state.led_color, state.led_brightness});
    case Command::GetSerialNumber: {
      const auto serial = state.serial_counter;
      return respond(kResponse, id,
                     {kManufactureWeek, kManufactureYear, byte_of(serial, 0), byte_of(serial, 1),
                      byte_of(serial, 2), byte_of(serial, 3)});
    }
    default:
      return refuse(id, kNotSupported);
  }
}

}  // namespace periprox::emulated
