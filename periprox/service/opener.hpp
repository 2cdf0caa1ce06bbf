// From a locator to a device, whatever kind it is.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "periprox/base/result.hpp"
#include "periprox/link/socket.hpp"
#include "periprox/physical/claim_journal.hpp"
#include "periprox/service/locator.hpp"
#include "periprox/service/opened_device.hpp"

namespace periprox {
class Loop;
}

namespace periprox::service {

class Stages;

/// Opens devices on one loop. Outlives the devices it opened; `loop` outlives both.
class Opener final {
 public:
  using Done = std::function<void(Result<OpenedDevice>)>;

  /// Told what a person could do for better service; one line.
  using Advise = std::function<void(std::string_view)>;

  /// Puts `stages`, if any, in front of every device. `note` is told what emulated devices do, with
  /// the name of the device. `silence_limit` is how long a server's machine may be silent
  /// (link::connect()).
  explicit Opener(Loop& loop, Advise advise = {}, std::shared_ptr<Stages> stages = {},
                  Advise note = {}, Duration silence_limit = link::kSilenceLimit);
  ~Opener();
  Opener(const Opener&) = delete;
  Opener& operator=(const Opener&) = delete;

  /// Opens the device that `locator` names. `done` is called once, on the loop, never from within
  /// this call.
  void open(std::string_view locator, Done done, Use use = Use::Whole);

  /// Gives devices back that a process that was killed had taken from their drivers. `done` is
  /// called once, on the loop.
  void restore_abandoned(std::function<void(std::vector<physical::ClaimJournal::Restored>)> done);

 private:
  struct Common;
  std::unique_ptr<Common> common_;
};

}  // namespace periprox::service
