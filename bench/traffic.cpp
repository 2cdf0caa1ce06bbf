#include "bench/traffic.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "periprox/loop/loop.hpp"

namespace periprox::bench {

double Traffic::run(const UrbShape& shape, std::size_t count, std::size_t in_flight) {
  shape_ = shape;
  count_ = count;
  submitted_ = completed_ = 0;
  one_by_one_ = in_flight == 1;
  latencies_.clear();
  if (one_by_one_) latencies_.reserve(count);
  const auto start = Clock::now();
  for (std::size_t i = 0; i < in_flight && submitted_ < count; ++i) submit_next();
  loop_.run_until([this] { return completed_ == count_; });
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  std::ranges::sort(latencies_);
  return seconds;
}

void Traffic::submit_next() {
  auto& device = *devices_[submitted_++ % devices_.size()];
  auto urb = urbs_.take();
  const auto direction = shape_.is_in ? usb::Direction::In : usb::Direction::Out;
  urb->type = shape_.type;
  urb->length = shape_.size;
  if (shape_.type == usb::TransferType::Control) {
    urb->endpoint = usb::EndpointAddress(0, direction);
    urb->setup = usb::SetupPacket::get_descriptor(1, 0, static_cast<std::uint16_t>(shape_.size));
  } else {
    urb->endpoint = usb::EndpointAddress(shape_.is_in ? 0x81 : 0x02);
  }
  if (!shape_.is_in) urb->payload = device.allocate(shape_.size);
  urb.push_sink(*this);
  if (one_by_one_) sent_at_ = Clock::now();
  device.submit(std::move(urb));
}

void Traffic::on_completed(usb::Urb urb, std::uint64_t /*cookie*/) {
  if (one_by_one_) {
    latencies_.push_back(
        std::chrono::duration<double, std::micro>(Clock::now() - sent_at_).count());
  }
  if (urb->status != usb::Status::Ok || urb->actual_length != shape_.size) {
    std::fprintf(stderr, "an URB failed: %s, %u bytes\n", usb::status_name(urb->status).data(),
                 urb->actual_length);
    std::exit(1);
  }
  urb = {};
  ++completed_;
  if (submitted_ < count_) submit_next();
}

}  // namespace periprox::bench
