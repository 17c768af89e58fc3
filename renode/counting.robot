*** Comments ***
What these tests prove: Renode's count of executed instructions in decode_block is the same in two runs, and the DWT's
cycle counter counts the same instructions when a block holds one instruction and its frequency is the core's speed.

    hilbert-codegen run depth.toml --keep build/firmware --board mps2-an386
    renode-test renode/counting.robot --variable FIRMWARE:$PWD/build/firmware

*** Settings ***
Suite Setup       Setup
Suite Teardown    Teardown
Test Setup        Reset Emulation
Test Teardown     Test Teardown
Resource          ${RENODEKEYWORDS}

*** Variables ***
${FIRMWARE}       ${CURDIR}/../build/firmware
${IMAGE}          mps2-an386/default/run256.elf
${STEPS}          5000

*** Keywords ***
Load
    Execute Command    $bin=@${FIRMWARE}/${IMAGE}
    Execute Command    include @${CURDIR}/cortex-m4.resc
    Execute Command    cpu MaximumBlockSize 1

Instructions After A Millisecond
    Execute Command    emulation RunFor "0.001"
    ${count}=    Execute Command    cpu ExecutedInstructions
    ${number}=    Convert To Integer    ${count.strip()}    16
    RETURN    ${number}

*** Test Cases ***
The Count Is Repeatable
    Load
    ${first}=    Instructions After A Millisecond
    Reset Emulation
    Load
    ${second}=    Instructions After A Millisecond
    Should Be Equal As Integers    ${first}    ${second}
    Should Be True    ${first} > 1000
    Log To Console    ${\n}proved: ${first} instructions in both runs

The DWT Counts Instructions
    Load
    Execute Command    sysbus WriteDoubleWord 0xE0001000 1
    ${before}=    Execute Command    sysbus ReadDoubleWord 0xE0001004
    ${start}=    Execute Command    cpu ExecutedInstructions
    ${end}=    Instructions After A Millisecond
    ${after}=    Execute Command    sysbus ReadDoubleWord 0xE0001004
    ${executed}=    Evaluate    ${end} - int("${start.strip()}", 16)
    ${counted}=    Evaluate    int("${after.strip()}", 16) - int("${before.strip()}", 16)
    Should Be Equal As Integers    ${executed}    ${counted}
    Log To Console    ${\n}proved: the DWT counted ${counted} cycles for ${executed} instructions
