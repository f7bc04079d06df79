<?php

// A contact form as they have been written since 2008: one script that shows itself, checks what came, and thanks by a
// redirect, so that reloading sends nothing twice. Nothing in it knows of the gateway.

$topics = array('question' => 'A question', 'order' => 'My order', 'praise' => 'Praise');

function h($text)
{
    return htmlspecialchars((string) $text, ENT_QUOTES, 'UTF-8');
}

$values = array('name' => isset($_COOKIE['contact_name']) ? $_COOKIE['contact_name'] : '', 'email' => '', 'message' => '');
$topic = 'question';
$copies = 1;
$newsletter = false;
$problems = array();

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    foreach ($values as $field => $unused) {
        $values[$field] = isset($_POST[$field]) ? trim($_POST[$field]) : '';
    }
    $topic = $_POST['topic'];
    $copies = (int) $_POST['copies'];
    $newsletter = !empty($_POST['newsletter']);
    if ($values['name'] === '') {
        $problems['name'] = 'Please tell us your name.';
    }
    if (filter_var($values['email'], FILTER_VALIDATE_EMAIL) === false) {
        $problems['email'] = 'Please give an address we can answer to.';
    }
    if (strlen($values['message']) < 10) {
        $problems['message'] = 'Please write at least ten characters.';
    }
    if (count($problems) === 0) {
        // Here a mail would go out. STDERR becomes an event of the trace.
        error_log('contact form: ' . json_encode(array('topic' => $topic, 'copies' => $copies, 'newsletter' => $newsletter)));
        setcookie('contact_name', $values['name'], array('expires' => time() + 86400 * 30, 'httponly' => true, 'samesite' => 'Lax'));
        header('Location: ' . $_SERVER['SCRIPT_NAME'] . '?sent=1', true, 303);
        exit;
    }
    http_response_code(422);
}

header('Content-Type: text/html; charset=utf-8');
?>
<!DOCTYPE html>
<html lang="en">
<head>
<title>Contact</title>
<style>
body { font: 16px/1.5 sans-serif; max-width: 34em; margin: 2em auto; padding: 0 1em }
label { display: block; margin-top: 1em }
input[type=text], textarea { width: 100%; box-sizing: border-box }
.problem { color: #b91c1c }
.thanks { background: #dcfce7; padding: 0.5em 1em }
</style>
</head>
<body>
<h1>Contact</h1>
<?php if (isset($_GET['sent'])) { ?>
<p class="thanks">Thank you<?php echo $values['name'] === '' ? '' : ', ' . h($values['name']); ?>. We will write back.</p>
<?php } ?>
<form method="post" action="<?php echo h($_SERVER['SCRIPT_NAME']); ?>">
<?php foreach (array('name' => 'Your name', 'email' => 'Your e-mail') as $field => $label) { ?>
<label><?php echo h($label); ?> <input type="text" name="<?php echo $field; ?>" value="<?php echo h($values[$field]); ?>"></label>
<?php if (isset($problems[$field])) { ?><p class="problem"><?php echo h($problems[$field]); ?></p><?php } ?>

<?php } ?>
<label>It is about <select name="topic">
<?php foreach ($topics as $key => $label) { ?>
<option value="<?php echo $key; ?>"<?php echo $key === $topic ? ' selected' : ''; ?>><?php echo h($label); ?></option>
<?php } ?>
</select></label>
<label>Copies of our catalogue <input type="number" name="copies" min="1" max="9" value="<?php echo h($copies); ?>"></label>
<label>Message <textarea name="message" rows="6"><?php echo h($values['message']); ?></textarea></label>
<?php if (isset($problems['message'])) { ?><p class="problem"><?php echo h($problems['message']); ?></p><?php } ?>

<label><input type="checkbox" name="newsletter"<?php echo $newsletter ? ' checked' : ''; ?>> Send me the newsletter</label>
<p><button>Send</button></p>
</form>
</body>
</html>
