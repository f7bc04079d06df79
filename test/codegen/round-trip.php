<?php

declare(strict_types=1);

/**
 * Lines of `{"class": …, "data": …}` in, of `{"json": …}` or `{"error": …}` out: what the class makes of the data and
 * writes again. Or `{"method": …, "input": PHP source, "data": the answer}` for a method of the generated client, over
 * one that sends nothing: what it was to send, and what the method returns.
 */

namespace FpmGateway\Client {
    if (!class_exists(Client::class)) {
        final class Client
        {
            public string $sent = '';
            public mixed $answer = null;

            public function invoke(string $function, mixed $input = [], mixed ...$options): mixed
            {
                $this->sent = json_encode($input, \RoundTrip\FLAGS);

                return $this->answer;
            }
        }
    }
}

namespace RoundTrip {
    const FLAGS = JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;

    [, $folder, $namespace] = $argv;
    require $folder . '/autoload.php';

    set_error_handler(static function (int $level, string $message, string $file, int $line): never {
        throw new \ErrorException($message, 0, $level, $file, $line);
    });

    $answers = [];
    while (($line = fgets(STDIN)) !== false) {
        $task = json_decode($line, true, 512, JSON_THROW_ON_ERROR);
        try {
            if (isset($task['class'])) {
                $class = $namespace . '\\' . $task['class'];
                $object = $class::fromArray($task['data']);
                $json = json_encode($object, FLAGS);
                // What toArray gives is taken again.
                $again = json_encode($class::fromArray($object->toArray()), FLAGS);
                $answers[] = $again === $json ? ['json' => $json] : ['error' => "toArray: $again instead of $json"];
            } else {
                $client = new \FpmGateway\Client\Client();
                $client->answer = $task['data'];
                $functions = new ($namespace . '\\FunctionsClient')($client);
                $answers[] = ['json' => json_encode($functions->{$task['method']}(eval('return ' . $task['input'] . ';')), FLAGS), 'sent' => $client->sent];
            }
        } catch (\Throwable $thrown) {
            $answers[] = ['error' => $thrown::class . ': ' . $thrown->getMessage() . ' at ' . basename($thrown->getFile()) . ':' . $thrown->getLine()];
        }
    }
    foreach ($answers as $answer) {
        echo json_encode($answer, FLAGS), "\n";
    }
}
