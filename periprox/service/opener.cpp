#include "periprox/service/opener.hpp"

#include <utility>

#include "periprox/emulated/catalog.hpp"
#include "periprox/loop/loop.hpp"
#include "periprox/physical/blocking_pool.hpp"
#include "periprox/service/open_physical.hpp"
#include "periprox/service/open_recorded.hpp"
#include "periprox/service/printable.hpp"
#include "periprox/service/remote_opener.hpp"
#include "periprox/service/ring_opener.hpp"
#include "periprox/service/stages.hpp"
#include "periprox/service/surroundings.hpp"

namespace periprox::service {
namespace {

Result<OpenedDevice> open_emulated(const EmulatedLocator& locator,
                                   const emulated::Surroundings& surroundings) {
  auto device = emulated::create(locator.name, locator.settings, surroundings);
  if (!device) return forward_error(device);
  return OpenedDevice{.device = std::move(*device)};
}

}  // namespace

struct Opener::Common {
  Common(Loop& the_loop, Advise the_advise, std::shared_ptr<Stages> the_stages, Advise the_note,
         Duration silence_limit)
      : loop(the_loop),
        advise(std::move(the_advise)),
        note(std::move(the_note)),
        stages(std::move(the_stages)),
        remote(the_loop, silence_limit),
        ring(the_loop) {}

  [[nodiscard]] emulated::Surroundings surroundings_of(const std::string& name) {
    return lend_surroundings(loop, pool, [this, name](const std::string& text) {
      if (note) note(printable(name, 128) + ": " + printable(text, 512));
    });
  }

  Loop& loop;
  Advise advise;
  Advise note;
  std::shared_ptr<Stages> stages;
  physical::BlockingPool pool;
  RemoteOpener remote;
  RingOpener ring;
};

Opener::Opener(Loop& loop, Advise advise, std::shared_ptr<Stages> stages, Advise note,
               Duration silence_limit)
    : common_(std::make_unique<Common>(loop, std::move(advise), std::move(stages), std::move(note),
                                       silence_limit)) {}
Opener::~Opener() = default;

void Opener::open(std::string_view text, Done done, Use use) {
  auto& loop = common_->loop;
  auto named = [name = std::string(text), stages = common_->stages,
                done = std::move(done)](Result<OpenedDevice> opened) {
    if (opened) {
      opened->name = name;
      if (stages) opened = stages->wrap(std::move(*opened));
    }
    done(std::move(opened));
  };
  const auto locator = parse_locator(text);
  if (!locator) {
    loop.post([named, error = locator.error()] { named(tl::make_unexpected(error)); });
  } else if (const auto* emulated = std::get_if<EmulatedLocator>(&*locator)) {
    auto opened = open_emulated(*emulated, common_->surroundings_of(std::string(text)));
    loop.post([named, opened] { named(opened); });
  } else if (const auto* remote = std::get_if<RemoteLocator>(&*locator)) {
    common_->remote.open(*remote, std::move(named));
  } else if (const auto* recorded = std::get_if<RecordedLocator>(&*locator)) {
    // Reading a long capture takes its time.
    common_->pool.run(
        loop,
        [&loop, recorded = *recorded, advise = common_->advise] {
          return open_recorded(recorded, loop, advise);
        },
        std::move(named));
  } else if (const auto* command = std::get_if<CommandLocator>(&*locator)) {
    common_->remote.open(*command, std::move(named));
  } else if (const auto* descriptor = std::get_if<DescriptorLocator>(&*locator)) {
    common_->remote.open(*descriptor, std::move(named));
  } else if (const auto* ring = std::get_if<RingLocator>(&*locator)) {
    common_->ring.open(*ring, std::move(named));
  } else {
    open_physical(loop, common_->pool, std::get<physical::Locator>(*locator), use, common_->advise,
                  std::move(named));
  }
}

void Opener::restore_abandoned(
    std::function<void(std::vector<physical::ClaimJournal::Restored>)> done) {
  common_->pool.run(
      common_->loop, [] { return physical::ClaimJournal({}).restore_abandoned(); },
      std::move(done));
}

}  // namespace periprox::service
