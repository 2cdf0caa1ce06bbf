// How many connections a server can hold.
#pragma once

namespace periprox::app {

/// Raises the soft limit of open files to the hard one; shells often start programs with 1024.
void raise_descriptor_limit();

}  // namespace periprox::app
