<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

/** One request of which more is to come: a large one, one with files, or a priming. */
final class Arriving
{
    public ?Uploads $uploads = null;
    private string $params = '';
    private bool $paramsEnded = false;
    private string $call = '';
    private string $input = '';

    public function __construct(private readonly string $id)
    {
    }

    /** The request, with its last record. */
    public function take(bool $stdin, string $content, string $uploads): ?Request
    {
        if ($stdin !== $this->paramsEnded) {
            throw new Malformed('FastCGI records of a request in the wrong order');
        }
        if (!$stdin) {
            $this->params .= $content;
            if ($content === '') {
                $this->readParams($uploads);
            }

            return null;
        }
        if ($content === '') {
            $this->uploads?->end();

            return new Request($this->id, $this->call, $this->input, $this->uploads);
        }
        if ($this->uploads === null) {
            $this->input .= $content;
        } else {
            $this->uploads->push($content);
        }

        return null;
    }

    private function readParams(string $uploads): void
    {
        $this->paramsEnded = true;
        $params = self::pairs($this->params);
        $this->params = '';
        $this->call = ($params['FPMG_OPERATION'] ?? '') === 'prime'
            ? 'prime ' . ($params['FPMG_ATTEMPT_ID'] ?? '')
            : $params['FPMG_CALL'] ?? throw new Malformed('a request without FPMG_CALL');
        if (($params['FPMG_FILES'] ?? '') === '1') {
            $this->uploads = new Uploads($uploads);
        }
    }

    /** @return array<string, string> */
    private static function pairs(string $bytes): array
    {
        $pairs = [];
        $at = 0;
        $end = strlen($bytes);
        while ($at < $end) {
            $name = self::length($bytes, $at, $end);
            $value = self::length($bytes, $at, $end);
            if ($at + $name + $value > $end) {
                throw new Malformed('a FastCGI parameter that is cut');
            }
            $pairs[substr($bytes, $at, $name)] = substr($bytes, $at + $name, $value);
            $at += $name + $value;
        }

        return $pairs;
    }

    private static function length(string $bytes, int &$at, int $end): int
    {
        $long = $at < $end && ord($bytes[$at]) >= 128;
        if ($at + ($long ? 4 : 1) > $end) {
            throw new Malformed('a FastCGI parameter that is cut');
        }
        $length = $long ? unpack('N', $bytes, $at)[1] & 0x7FFF_FFFF : ord($bytes[$at]);
        $at += $long ? 4 : 1;

        return $length;
    }
}
