#include "periprox/emulated/hid.hpp"

#include <utility>

namespace periprox::emulated {
namespace {

constexpr auto kIdleUnit = std::chrono::milliseconds(4);
// wValue of GET_REPORT and SET_REPORT, high byte (HID 1.11, 7.2.1).
constexpr std::uint8_t kInputReport = 1;
constexpr std::uint8_t kOutputReport = 2;
constexpr std::uint16_t kLargestReport = 64;

std::uint8_t report_type(const usb::SetupPacket& setup) {
  return static_cast<std::uint8_t>(setup.wValue >> 8);
}

}  // namespace

HidInput::HidInput(Timers& timers, std::vector<std::byte> neutral)
    : timers_(timers), neutral_(std::move(neutral)), last_(neutral_) {}

HidInput::~HidInput() { forget_timer(); }

void HidInput::push(std::vector<std::byte> report) {
  reports_.push_back(std::move(report));
  send_next();
}

void HidInput::give(InTransfer transfer) {
  const auto self = shared_from_this();
  asked_ = std::move(transfer);
  if (has_room() && wanted_) wanted_();
  send_next();
}

void HidInput::send_next() {
  if (!asked_.pending()) return;
  if (!reports_.empty()) {
    auto report = std::move(reports_.front());
    reports_.pop_front();
    return send(std::move(report));
  }
  if (idle_ == 0 || idle_timer_ != TimerId{}) return;
  // With an idle rate the last report is repeated when nothing changes (HID 1.11, 7.2.4).
  idle_timer_ = timers_.call_at(last_sent_ + idle_ * kIdleUnit, [weak = weak_from_this()] {
    const auto input = weak.lock();
    if (input == nullptr) return;
    input->idle_timer_ = {};
    if (input->asked_.pending()) input->send(input->last_);
  });
}

void HidInput::send(std::vector<std::byte> report) {
  const auto self = shared_from_this();
  forget_timer();
  last_ = std::move(report);
  last_sent_ = timers_.now();
  // Taken out first: sending may bring in the host's next transfer.
  auto transfer = std::move(asked_);
  transfer.send(std::vector<std::byte>(last_));
}

void HidInput::forget_timer() { timers_.cancel(std::exchange(idle_timer_, {})); }

void HidInput::reset() {
  forget_timer();
  reports_.clear();
  last_ = neutral_;
  idle_ = 0;
  protocol_ = 1;
}

void HidInput::get_report(ControlTransfer transfer) {
  if (report_type(transfer.setup()) != kInputReport) return transfer.stall();
  transfer.send(last_);
}

void HidInput::set_report(ControlTransfer transfer) {
  const auto data = transfer.data();
  const bool wanted = report_type(transfer.setup()) == kOutputReport && output_;
  if (!wanted || data.empty() || data.size() > kLargestReport) return transfer.stall();
  const std::vector<std::byte> report(data.begin(), data.end());
  transfer.accept();
  output_(report);
}

void HidInput::set_idle(ControlTransfer transfer) {
  idle_ = static_cast<std::uint8_t>(transfer.setup().wValue >> 8);
  forget_timer();
  transfer.accept();
  send_next();
}

std::vector<Request> HidInput::requests() {
  const auto self = shared_from_this();
  const auto in = [](HidRequest request, ControlHandler handler) {
    return class_in(static_cast<std::uint8_t>(request), std::move(handler));
  };
  const auto out = [](HidRequest request, ControlHandler handler) {
    return class_out(static_cast<std::uint8_t>(request), std::move(handler));
  };
  return {
      in(HidRequest::GetReport, [self](ControlTransfer t) { self->get_report(std::move(t)); }),
      out(HidRequest::SetReport, [self](ControlTransfer t) { self->set_report(std::move(t)); }),
      in(HidRequest::GetIdle, [self](ControlTransfer t) { t.send(bytes_of(self->idle_)); }),
      out(HidRequest::SetIdle, [self](ControlTransfer t) { self->set_idle(std::move(t)); }),
      in(HidRequest::GetProtocol, [self](ControlTransfer t) { t.send(bytes_of(self->protocol_)); }),
      out(HidRequest::SetProtocol,
          [self](ControlTransfer t) {
            if (t.setup().wValue > 1) return t.stall();
            // The boot reports are the first bytes of ours, so that nothing else changes
            // (HID 1.11, appendix B).
            self->protocol_ = static_cast<std::uint8_t>(t.setup().wValue);
            t.accept();
          }),
  };
}

Interface hid_interface(const std::shared_ptr<HidInput>& input, std::uint8_t endpoint_number,
                        std::uint8_t boot_protocol, std::vector<std::byte> report_descriptor,
                        Duration interval) {
  const usb::HidDescriptor hid{.wDescriptorLength =
                                   static_cast<std::uint16_t>(report_descriptor.size())};
  const std::uint8_t boot_subclass = boot_protocol != 0 ? 1 : 0;
  return {
      .settings = {{
          .class_code = {3, boot_subclass, boot_protocol},
          .descriptors = {raw_descriptor(hid)},
          .endpoints = {interrupt_in(endpoint_number, {.max_packet_size = 8, .interval = interval},
                                     [input](InTransfer t) { input->give(std::move(t)); })},
      }},
      .served = {{static_cast<std::uint8_t>(usb::DescriptorType::HidReport), 0,
                  std::move(report_descriptor)}},
      .requests = input->requests(),
  };
}

Result<void> open_commands(const Surroundings& surroundings, std::string_view where,
                           HidInput& input, std::function<Result<void>(const Command&)> run) {
  auto stream = open_stream(surroundings, where);
  if (!stream) return forward_error(stream);
  auto feed = std::make_shared<CommandFeed>(
      std::move(*stream), surroundings.timers,
      CommandFeed::Options{
          .run = std::move(run),
          .has_room = [&input] { return input.has_room(); },
          .complain = [surroundings](const std::string& text) { note(surroundings, text); },
      });
  input.on_wanted([feed] { feed->go_on(); });
  return {};
}

Duration interval_setting(SettingsReader& settings) {
  constexpr std::int64_t kShortestUs = 125;
  constexpr std::int64_t kLongestUs = 255'000;
  return std::chrono::microseconds(settings.integer("interval_us", kShortestUs, kLongestUs));
}

}  // namespace periprox::emulated
