# Captures may be compressed.
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
target_link_libraries(${target} PUBLIC PkgConfig::ZSTD)
