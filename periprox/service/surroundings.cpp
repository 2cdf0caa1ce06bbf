#include "periprox/service/surroundings.hpp"

#include <utility>

#include "periprox/loop/loop.hpp"
#include "periprox/physical/blocking_pool.hpp"
#include "periprox/service/streams.hpp"

namespace periprox::service {

emulated::Surroundings lend_surroundings(Loop& loop, physical::BlockingPool& pool,
                                         std::function<void(const std::string&)> note) {
  return {
      .timers = loop,
      .open_stream = [&loop,
                      note](std::string_view words) { return open_stream(loop, words, note); },
      .run_blocking =
          [&loop, &pool](std::function<void()> work, std::function<void()> done) {
            pool.run(loop, std::move(work), std::move(done));
          },
      .note = std::move(note),
  };
}

}  // namespace periprox::service
