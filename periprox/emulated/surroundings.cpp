#include "periprox/emulated/surroundings.hpp"

#include <utility>

namespace periprox::emulated {

Result<std::unique_ptr<ByteStream>> open_stream(const Surroundings& surroundings,
                                                std::string_view where) {
  if (surroundings.open_stream) return surroundings.open_stream(where);
  return fail(Error::Kind::NotSupported, "cannot open '" + std::string(where) + "'",
              "this device was created without a way to open streams");
}

void run_blocking(const Surroundings& surroundings, std::function<void()> work,
                  std::function<void()> done) {
  if (surroundings.run_blocking) return surroundings.run_blocking(std::move(work), std::move(done));
  work();
  surroundings.timers.call_at(surroundings.timers.now(), std::move(done));
}

void note(const Surroundings& surroundings, const std::string& text) {
  if (surroundings.note) surroundings.note(text);
}

}  // namespace periprox::emulated
