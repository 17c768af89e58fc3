# hilbert_add_decoder: generate a decoder and add it to a target. One file, free to copy into a project.
#
#   hilbert_add_decoder(TARGET app CONFIG depth.toml [MODEL depth.tflite] [SET curve.order=2 ...] [OUTPUT_DIR dir])
#       Runs hilbert-codegen when the configuration, the model or the tool changed, and compiles the result into app.
#       HILBERT_CODEGEN is the command; without it, hilbert-codegen is searched on PATH.
#
#   hilbert_add_decoder(TARGET app COMMITTED dir [CONFIG depth.toml] [MODEL depth.tflite] [SET ...])
#       Compiles the files that are committed in dir. Needs no Python. With CONFIG, and where the tool is found, a
#       target app-decoder-check tells whether they are what the configuration gives.
cmake_minimum_required(VERSION 3.20)
include_guard(GLOBAL)

function(hilbert_add_decoder)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "TARGET;CONFIG;MODEL;COMMITTED;OUTPUT_DIR" "SET")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "hilbert_add_decoder: unknown arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_TARGET OR NOT TARGET ${arg_TARGET})
    message(FATAL_ERROR "hilbert_add_decoder: TARGET '${arg_TARGET}' is no target; add_executable or add_library first")
  endif()
  if(NOT arg_CONFIG AND NOT arg_COMMITTED)
    message(FATAL_ERROR "hilbert_add_decoder: give CONFIG file.toml, or COMMITTED folder")
  endif()
  foreach(name CONFIG MODEL COMMITTED)
    if(arg_${name})
      get_filename_component(arg_${name} "${arg_${name}}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
      if(NOT EXISTS "${arg_${name}}")
        message(FATAL_ERROR "hilbert_add_decoder: ${name} ${arg_${name}} does not exist")
      endif()
    endif()
  endforeach()
  set(options "")
  if(arg_MODEL)
    list(APPEND options --model "${arg_MODEL}")
  endif()
  foreach(setting IN LISTS arg_SET)
    list(APPEND options --set "${setting}")
  endforeach()

  if(arg_COMMITTED)
    file(GLOB sources CONFIGURE_DEPENDS "${arg_COMMITTED}/*_decoder.c")
    if(NOT sources)
      message(FATAL_ERROR "hilbert_add_decoder: no *_decoder.c in ${arg_COMMITTED}; run hilbert-codegen generate")
    endif()
    target_sources(${arg_TARGET} PRIVATE ${sources})
    target_include_directories(${arg_TARGET} PUBLIC "$<BUILD_INTERFACE:${arg_COMMITTED}>")
    if(arg_CONFIG)
      _hilbert_codegen_command(command OPTIONAL)
      if(command)
        add_custom_target(${arg_TARGET}-decoder-check
          COMMAND ${command} check "${arg_CONFIG}" ${options} -o "${arg_COMMITTED}"
          VERBATIM)
      endif()
    endif()
    return()
  endif()

  _hilbert_codegen_command(command)
  if(NOT arg_OUTPUT_DIR)
    get_filename_component(stem "${arg_CONFIG}" NAME_WE)
    set(arg_OUTPUT_DIR "${CMAKE_CURRENT_BINARY_DIR}/${arg_TARGET}-${stem}-decoder")
  endif()
  # The names of the files depend on the configuration's prefix: ask, and ask again when it changes.
  execute_process(
    COMMAND ${command} generate "${arg_CONFIG}" ${options} -o "${arg_OUTPUT_DIR}" --list-outputs -q
    OUTPUT_VARIABLE outputs RESULT_VARIABLE status ERROR_VARIABLE problem OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "hilbert_add_decoder: ${problem}")
  endif()
  string(REPLACE "\n" ";" outputs "${outputs}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${arg_CONFIG}")
  set(depfile "${CMAKE_CURRENT_BINARY_DIR}/${arg_TARGET}-decoder.d")
  # The tool leaves files alone whose bytes stay the same; touch them, or the build system would ask for ever.
  add_custom_command(
    OUTPUT ${outputs}
    COMMAND ${command} generate "${arg_CONFIG}" ${options} -o "${arg_OUTPUT_DIR}" --depfile "${depfile}" -q
    COMMAND "${CMAKE_COMMAND}" -E touch ${outputs}
    DEPENDS "${arg_CONFIG}" ${arg_MODEL}
    DEPFILE "${depfile}"
    COMMENT "Decoder of ${arg_CONFIG}"
    VERBATIM)
  target_sources(${arg_TARGET} PRIVATE ${outputs})
  target_include_directories(${arg_TARGET} PUBLIC "$<BUILD_INTERFACE:${arg_OUTPUT_DIR}>")
endfunction()

# The command that runs the tool, as a list. OPTIONAL: empty instead of an error where there is none.
function(_hilbert_codegen_command result)
  if(NOT HILBERT_CODEGEN)
    find_program(HILBERT_CODEGEN hilbert-codegen DOC "The command that runs hilbert-codegen")
  endif()
  if(NOT HILBERT_CODEGEN)
    if(NOT "OPTIONAL" IN_LIST ARGN)
      message(FATAL_ERROR "hilbert-codegen is not on PATH: pip install hilbert_codegen, set HILBERT_CODEGEN to the "
                          "command, or use COMMITTED with generated files")
    endif()
    set(${result} "" PARENT_SCOPE)
  else()
    set(${result} ${HILBERT_CODEGEN} PARENT_SCOPE)
  endif()
endfunction()
