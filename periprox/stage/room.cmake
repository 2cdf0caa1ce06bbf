# The thread that writes captures, and compresses them.
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
target_link_libraries(${target} PUBLIC Threads::Threads PkgConfig::ZSTD)
