target_link_libraries(${target} PRIVATE CLI11::CLI11 spdlog::spdlog nlohmann_json::nlohmann_json fmt::fmt)
target_include_directories(${target} SYSTEM PRIVATE ${PERIPROX_ASIO_INCLUDE})
target_compile_definitions(${target} PRIVATE PERIPROX_VERSION="${PROJECT_VERSION}")
