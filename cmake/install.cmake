# What is installed for programs that use the library: every room below the program as a static
# library with its headers (those for tests, too: a user's devices want some), a CMake package
# (find_package(periprox)) and a pkg-config file.
#
# Component "development": `cmake --install build --component development --prefix DIR`.

include(CMakePackageConfigHelpers)

set(rooms_for_users)
file(STRINGS ${CMAKE_SOURCE_DIR}/rooms.txt lines REGEX "^[a-z]+:")
foreach(line IN LISTS lines)
  string(REGEX MATCH "^[a-z]+" room "${line}")
  if(TARGET periprox_${room} AND NOT room STREQUAL "app")
    list(APPEND rooms_for_users ${room})
  endif()
endforeach()

set(libraries_for_pkg_config)
foreach(room IN LISTS rooms_for_users)
  set_target_properties(periprox_${room} PROPERTIES EXPORT_NAME ${room})
  install(TARGETS periprox_${room} EXPORT periprox COMPONENT development
    ARCHIVE COMPONENT development FILE_SET HEADERS COMPONENT development)
  # A linker reads from left to right: what needs others stands before them.
  set(libraries_for_pkg_config "-lperiprox_${room} ${libraries_for_pkg_config}")
endforeach()

# One name for all of it.
add_library(periprox_all INTERFACE)
add_library(periprox::periprox ALIAS periprox_all)
set_target_properties(periprox_all PROPERTIES EXPORT_NAME periprox)
target_link_libraries(periprox_all INTERFACE periprox_service periprox_emulated)
install(TARGETS periprox_all EXPORT periprox COMPONENT development)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/periprox)
install(EXPORT periprox NAMESPACE periprox:: DESTINATION ${package_folder} FILE periprox-targets.cmake
  COMPONENT development)
configure_package_config_file(cmake/periprox-config.cmake.in ${CMAKE_BINARY_DIR}/periprox-config.cmake
  INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/periprox-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/periprox-config.cmake ${CMAKE_BINARY_DIR}/periprox-config-version.cmake
  DESTINATION ${package_folder} COMPONENT development)

file(RELATIVE_PATH prefix_from_pkg_config /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/periprox.pc.in ${CMAKE_BINARY_DIR}/periprox.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/periprox.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
