#include "periprox/recorded/request_book.hpp"

#include <algorithm>
#include <array>

#include "periprox/usb/configuration.hpp"

namespace periprox::recorded {
namespace {

using usb::DescriptorType;
using usb::SetupPacket;

bool same_question(const SetupPacket& a, const SetupPacket& b) {
  return a.bmRequestType == b.bmRequestType && a.bRequest == b.bRequest && a.wValue == b.wValue &&
         a.wIndex == b.wIndex;
}

BookAnswer answer_of(const RecordedStep& step, const SetupPacket& setup) {
  BookAnswer answer{.status = step.status, .took = step.took};
  if (!setup.is_in()) return answer;
  answer.data.assign(step.data.begin(),
                     step.data.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(
                                             step.data.size(), setup.wLength)));
  return answer;
}

}  // namespace

RequestBook::RequestBook(const Recording& recording)
    : recording_(recording), used_(recording.requests.size()) {}

std::optional<BookAnswer> RequestBook::find(const SetupPacket& setup, Bytes out) {
  std::optional<std::size_t> exact;   // The first that was not given yet, else the last.
  std::optional<std::size_t> longer;  // Of another wLength, with the most data.
  for (std::size_t i = 0; i < recording_.requests.size(); ++i) {
    const auto& step = recording_.requests[i];
    if (!same_question(step.setup, setup)) continue;
    if (!setup.is_in() && !std::ranges::equal(step.data, out)) continue;
    if (step.setup.wLength == setup.wLength) {
      if (!exact || used_[*exact]) exact = i;
    } else if (setup.is_in() && step.status == usb::Status::Ok &&
               (!longer || step.data.size() > recording_.requests[*longer].data.size())) {
      longer = i;
    }
  }
  if (exact) {
    used_[*exact] = true;
    return answer_of(recording_.requests[*exact], setup);
  }
  if (longer) {
    const auto& step = recording_.requests[*longer];
    auto answer = answer_of(step, setup);
    // More was asked for than the recording tells, and the device may have had more.
    answer.is_exact = step.data.size() < step.setup.wLength || step.setup.wLength > setup.wLength;
    return answer;
  }
  return from_descriptors(setup);
}

std::optional<BookAnswer> RequestBook::nearest(const SetupPacket& setup) {
  const RecordedStep* best = nullptr;
  int best_score = 0;
  for (const auto& step : recording_.requests) {
    if (step.setup.bmRequestType != setup.bmRequestType || step.setup.bRequest != setup.bRequest)
      continue;
    const int score = 1 + (step.setup.wValue == setup.wValue ? 2 : 0) +
                      (step.setup.wIndex == setup.wIndex ? 1 : 0);
    if (score <= best_score) continue;
    best = &step;
    best_score = score;
  }
  if (best == nullptr) return std::nullopt;
  auto answer = answer_of(*best, setup);
  answer.is_exact = false;
  return answer;
}

std::optional<BookAnswer> RequestBook::from_descriptors(const SetupPacket& setup) const {
  if (setup.bmRequestType != 0x80 || !setup.is_standard(usb::StandardRequest::GetDescriptor))
    return std::nullopt;
  const auto index = static_cast<std::uint8_t>(setup.wValue & 0xff);
  const auto& model = recording_.model;
  std::vector<std::byte> data;
  switch (static_cast<DescriptorType>(setup.wValue >> 8)) {
    case DescriptorType::Device: {
      const auto bytes = bytes_of(model.descriptor());
      data.assign(bytes.begin(), bytes.end());
      break;
    }
    case DescriptorType::Configuration:
      if (index < model.configurations().size())
        data = usb::build_configuration(model.configurations()[index]);
      break;
    case DescriptorType::Bos:
      data = model.bos;
      break;
    case DescriptorType::String: {
      constexpr std::array<std::uint16_t, 1> kEnglish{0x0409};
      const auto text = recording_.strings.find(index);
      if (index == 0 && !recording_.strings.empty()) data = usb::build_language_list(kEnglish);
      if (index != 0 && text != recording_.strings.end()) data = usb::build_string(text->second);
      break;
    }
    default:
      break;
  }
  if (data.empty()) return std::nullopt;
  data.resize(std::min<std::size_t>(data.size(), setup.wLength));
  return BookAnswer{.data = std::move(data)};
}

}  // namespace periprox::recorded
