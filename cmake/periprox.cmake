# How the rooms become targets.
#
# rooms.txt is the single place that says which room may include which. Each room is a static library
# made of every .cpp in its folder; every *_test.cpp there becomes one GoogleTest program of the room.
# Headers are a file set, so `all_verify_interface_header_sets` compiles each one alone.

set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)

add_library(periprox_options INTERFACE)
target_compile_options(periprox_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  -Woverloaded-virtual -Wno-missing-field-initializers -Wimplicit-fallthrough -Wcast-align $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond -Wlogical-op>
  $<$<CXX_COMPILER_ID:Clang>:-Wno-zero-length-array>)  # The kernel's headers have them.
if(PERIPROX_WERROR)
  target_compile_options(periprox_options INTERFACE -Werror)
endif()
if(PERIPROX_SANITIZE)
  add_compile_options(-fsanitize=${PERIPROX_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${PERIPROX_SANITIZE})
endif()
if(PERIPROX_FUZZERS)
  # Coverage feedback for everything the targets link; the driver itself is linked by the targets.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Room NAME with the rooms in ARGN below it.
function(periprox_add_room name)
  set(folder ${CMAKE_SOURCE_DIR}/periprox/${name})
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  file(GLOB headers CONFIGURE_DEPENDS ${folder}/*.hpp)
  file(GLOB tests CONFIGURE_DEPENDS ${folder}/*_test.cpp)
  list(REMOVE_ITEM sources ${tests} ${folder}/main.cpp)
  if(NOT sources AND NOT headers)
    return()
  endif()

  set(target periprox_${name})
  if(sources)
    add_library(${target} STATIC ${sources})
    set(scope PUBLIC)
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:periprox_options>)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(periprox::${name} ALIAS ${target})
  target_sources(${target} ${scope} FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR} FILES ${headers})
  foreach(below IN LISTS ARGN)
    if(TARGET periprox_${below})
      target_link_libraries(${target} ${scope} periprox_${below})
    endif()
  endforeach()
  # What a room needs from outside the house stands beside its sources.
  if(EXISTS ${folder}/room.cmake)
    include(${folder}/room.cmake)
  endif()

  if(tests AND BUILD_TESTING)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${target} periprox_options GTest::gmock GTest::gtest_main)
    # Matchers cost the optimiser more time than they run: under sanitizers a test compiles twice as fast
    # like this. What it tests is the library, which is optimised.
    target_compile_options(${name}_test PRIVATE -O0)
    # One run for all of a room's tests: a process for each of two thousand took minutes.
    add_test(NAME ${name} COMMAND ${name}_test --gtest_brief=1)
    set_tests_properties(${name} PROPERTIES TIMEOUT 600)
  endif()
endfunction()

# Every room of rooms.txt, in its order (a room stands after all that it may include).
function(periprox_add_rooms)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/rooms.txt)
  file(STRINGS ${CMAKE_SOURCE_DIR}/rooms.txt lines REGEX "^[a-z]+:")
  foreach(line IN LISTS lines)
    string(REGEX MATCH "^([a-z]+): *(.*)$" _ "${line}")
    set(name ${CMAKE_MATCH_1})
    string(REPLACE " " ";" below "${CMAKE_MATCH_2}")
    periprox_add_room(${name} ${below})
  endforeach()
endfunction()
