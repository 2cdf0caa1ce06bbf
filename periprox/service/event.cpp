#include "periprox/service/event.hpp"

namespace periprox::service {

std::string_view event_name(Event::Kind kind) {
  switch (kind) {
    case Event::Kind::Connected:
      return "connected";
    case Event::Kind::Ended:
      return "ended";
    case Event::Kind::Imported:
      return "imported";
    case Event::Kind::Released:
      return "released";
    case Event::Kind::Refused:
      return "refused";
    case Event::Kind::DeviceGone:
      return "device_gone";
    case Event::Kind::Plugged:
      return "plugged";
    case Event::Kind::Waiting:
      return "waiting";
    case Event::Kind::GivenBack:
      return "given_back";
    case Event::Kind::Note:
      return "note";
    case Event::Kind::Watched:
      return "watched";
    case Event::Kind::Advice:
      return "advice";
    case Event::Kind::Overload:
      return "overload";
  }
  return "unknown";
}

}  // namespace periprox::service
