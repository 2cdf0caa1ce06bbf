target_link_libraries(${target} ${scope} fmt::fmt Threads::Threads)

# Tests on a mocked /sys and /dev, where umockdev is installed.
find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(UMOCKDEV QUIET IMPORTED_TARGET umockdev-1.0)
endif()
find_program(UMOCKDEV_WRAPPER umockdev-wrapper)
if(BUILD_TESTING AND UMOCKDEV_FOUND AND UMOCKDEV_WRAPPER)
  add_executable(physical_umockdev_test ${folder}/umockdev/usbfs_umockdev_test.cpp)
  target_link_libraries(physical_umockdev_test PRIVATE ${target} periprox_options PkgConfig::UMOCKDEV
    GTest::gmock GTest::gtest_main)
  add_test(NAME physical.umockdev COMMAND ${UMOCKDEV_WRAPPER} $<TARGET_FILE:physical_umockdev_test>)
  # The wrapper preloads its library before the sanitizer's.
  set_tests_properties(physical.umockdev PROPERTIES TIMEOUT 120
    ENVIRONMENT "ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0")
else()
  message(STATUS "physical: no umockdev, its tests are not built")
endif()
