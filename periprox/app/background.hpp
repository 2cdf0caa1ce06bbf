// Leaving a process behind that goes on when the command has returned.
#pragma once

#include <functional>

#include "periprox/base/result.hpp"

namespace periprox::app {

/// Runs `work` in a child process. Returns in the parent when the child calls the function that
/// `work` is given: the child then leaves the terminal and goes on. When `work` ends before that,
/// this ends the parent with the child's exit code. What the child, and its children, write to
/// standard error goes to /run/periprox/background-PID.log, which is removed at a good end; what is
/// in it when this returns or ends is printed (an error as JSON if `json`). To be called while the
/// process has one thread.
Result<void> in_background(
    bool json, const std::function<Result<void>(const std::function<void()>& usable)>& work);

}  // namespace periprox::app
